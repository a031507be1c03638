// SPDX-License-Identifier: MIT
// What the release binary must be, read from the file itself; and that each of these checks can fail.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { binary, makeDir, removeDir } from '../lib/index.mjs';

const X86 = process.arch === 'x64';
const tool = (name, ...args) => execFileSync(name, args, { encoding: 'utf8', maxBuffer: 1 << 28, env: { ...process.env, LC_ALL: 'C' } });
const readelf = (what, file) => tool('readelf', '-W', what, file);
const imports = (file) => tool('nm', '-D', '--undefined-only', file).match(/\b\w+(?=@|$)/gm) ?? [];

function segments(file) {
  return [...readelf('-l', file).matchAll(/^ +(\w+) +(?:0x\w+ +){5}([R W E]{3}) /gm)].map(([, type, flags]) => ({ type, flags }));
}

// Each says whether `file` has it.
const CHECKS = {
  'position independent': (file) => /Type: +DYN/.test(readelf('-h', file)) && /FLAGS_1.*\bPIE\b/.test(readelf('-d', file)),
  'all names bound at start': (file) => /\(FLAGS\).*BIND_NOW/.test(readelf('-d', file)) && /FLAGS_1.*\bNOW\b/.test(readelf('-d', file)),
  'relocations read-only': (file) => segments(file).some(({ type }) => type === 'GNU_RELRO'),
  'no executable stack': (file) => segments(file).some(({ type, flags }) => type === 'GNU_STACK' && !flags.includes('E')),
  'nothing both writable and executable': (file) => !segments(file).some(({ flags }) => flags.includes('W') && flags.includes('E')),
  'code in a segment of its own': (file) => segments(file).filter(({ type, flags }) => type === 'LOAD' && flags.includes('E')).length === 1
    && segments(file).find(({ type }) => type === 'LOAD').flags.trim() === 'R',
  'stack protector': (file) => imports(file).includes('__stack_chk_fail'),
  'fortified calls': (file) => ['__memcpy_chk', '__vsnprintf_chk'].every((name) => imports(file).includes(name)),
  'no RPATH': (file) => !/R(UN)?PATH/.test(readelf('-d', file)),
  ...(X86 && {
    'CET note': (file) => /x86 feature:.*IBT.*SHSTK/.test(readelf('-n', file)),
    'CET landing pads': (file) => landingPads(file) > 0.7,
  }),
};

// The part of the functions that begin with endbr64. Local ones that are only called by name need none.
function landingPads(file) {
  const heads = [...tool('objdump', '-d', '--no-show-raw-insn', '--section=.text', file).matchAll(/^\w+ <(\w+)>:\n +\w+:\s+(\w+)/gm)]
    .filter(([, name]) => !/\.(cold|part|constprop|isra)/.test(name));
  return heads.filter(([, , instruction]) => instruction === 'endbr64').length / heads.length;
}

test('the binary has all of it', () => {
  assert.deepEqual(Object.entries(CHECKS).filter(([, has]) => !has(binary())).map(([name]) => name), []);
});

test('each check sees a binary without it', (t) => {
  const dir = makeDir('hardening');
  t.after(() => removeDir(dir));
  const source = path.join(dir, 'a.c');
  fs.writeFileSync(source, `#include <stdio.h>
#include <string.h>
int f(char *to, const char *from, int n) { char b[64]; memcpy(b, from, n); memcpy(to, b, n); return b[0]; }
int main(int argc, char **argv) { char b[9]; int (*volatile call)(char *, const char *, int) = f; return call(b, argv[0], argc); }
`);
  const compile = (name, ...flags) => {
    const file = path.join(dir, name);
    execFileSync('gcc', ['-O2', '-w', ...flags, source, '-o', file], { stdio: ['ignore', 'ignore', 'ignore'] });
    return file;
  };
  // Without all that can be left out by flags, and with what no flag of ours would bring.
  const bare = compile('bare', '-no-pie', '-fno-pie', '-fno-stack-protector', '-U_FORTIFY_SOURCE', '-fcf-protection=none',
    '-Wl,-z,norelro,-z,lazy,-z,execstack,-z,noseparate-code,-rpath,/nowhere');
  assert.deepEqual(Object.entries(CHECKS).filter(([, has]) => has(bare)).map(([name]) => name), []);
});
