// SPDX-License-Identifier: MIT
// Bar charts as SVG, for light and for dark pages. Pure: the same figures give the same bytes.

const WIDTH = 760;
const LABEL = 170; // where bars begin
const VALUE = 96; // room for the number behind the longest bar
const ROW = 20;
const BAR = 12;
const TITLE = 30;
const HEAD = 34;
const GAP = 14;

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .head { font-weight: 600; font-size: 14px; }
  .panel { font-weight: 600; }
  .unit, .value { fill: #59636e; }
  .own { fill: #1f6fd0; } .peer { fill: #9aa4af; } .floor { fill: #c9d1d9; }
  .line { stroke: #1f2328; stroke-opacity: 0.55; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .unit, .value { fill: #9198a1; }
    .own { fill: #4c9bf5; } .peer { fill: #6e7681; } .floor { fill: #3d444d; }
    .line { stroke: #e6edf3; }
  }
`;

const escape = (text) => text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
const at = (value) => String(Math.round(value * 10) / 10);

// Three digits that mean something.
export function digits(value) {
  if (Math.abs(value) >= 100) {
    return Math.round(value).toLocaleString('en');
  }
  return value === 0 ? '0' : value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

// panels: [{title, unit, bars: [{label, kind: own|peer|floor, median, low, high}]}]; those without bars are left out.
// Each panel has its own scale; the thin line reaches from the lowest to the highest run.
export function barChart(title, panels) {
  const shown = panels.filter(({ bars }) => bars.length > 0);
  let y = HEAD;
  const parts = shown.map((panel) => {
    const part = drawPanel(panel, y);
    y += TITLE + panel.bars.length * ROW + GAP;
    return part;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img">
<title>${escape(title)}</title>
<style>${STYLE}</style>
<text class="head" x="0" y="20">${escape(title)}</text>
${parts.join('\n')}
</svg>
`;
}

function drawPanel({ title, unit, bars }, top) {
  const highest = Math.max(...bars.map(({ high }) => high));
  const scale = highest > 0 ? (WIDTH - LABEL - VALUE) / highest : 0;
  const rows = bars.map((bar, i) => drawBar(bar, top + TITLE + i * ROW, scale));
  return `<text class="panel" x="0" y="${top + 18}">${escape(title)}<tspan class="unit" font-weight="400" dx="8">${escape(unit)}</tspan></text>
${rows.join('\n')}`;
}

function drawBar({ label, kind, median, low, high }, y, scale) {
  const middle = y + BAR / 2;
  const whisker = high > low
    ? `<line class="line" x1="${at(LABEL + low * scale)}" x2="${at(LABEL + high * scale)}" y1="${middle}" y2="${middle}"/>` : '';
  return `<text x="${LABEL - 8}" y="${y + 10}" text-anchor="end">${escape(label)}</text>`
    + `<rect class="${kind}" x="${LABEL}" y="${y}" width="${at(Math.max(1, median * scale))}" height="${BAR}" rx="2"/>${whisker}`
    + `<text class="value" x="${at(LABEL + high * scale + 6)}" y="${y + 10}">${digits(median)}</text>`;
}
