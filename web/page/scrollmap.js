// SPDX-License-Identifier: MIT
// Scrolling through more pixels than an element can have: `top` is the place in the whole text, the element's
// scrollTop a scaled picture of it. Small moves (wheel, keys) are taken as they are, large ones (the thumb) scaled. Pure.

const HEIGHT_MAX = 10000000; // well below the least of the browsers' limits, 17.8 million

export class ScrollMap {
  top = 0;
  #range = 0; // how far `top` can go
  #real = 0; // how far scrollTop can go
  #last = 0; // scrollTop as last seen

  constructor(heightMax = HEIGHT_MAX) {
    this.heightMax = heightMax;
  }

  get range() {
    return this.#range;
  }

  get atEnd() {
    return this.top >= this.#range - 1;
  }

  // The text has `range` pixels more than the `view` shows. Returns the height for the element.
  resize(range, view) {
    this.#range = Math.max(0, range);
    const height = Math.min(this.#range + view, Math.max(this.heightMax, view));
    this.#real = height - view;
    this.top = Math.min(this.top, this.#range);
    return height;
  }

  get #factor() {
    return this.#real > 0 ? this.#range / this.#real : 1;
  }

  // Where scrollTop belongs.
  get scrollTop() {
    return this.top / this.#factor;
  }

  // scrollTop was put there, by us or by a change of layout: nobody scrolled.
  place(scrollTop) {
    this.#last = scrollTop;
  }

  // The element can scroll no further, the text can: scrollTop has to be put right at once.
  get stuck() {
    return (this.#last <= 0 && this.top > 0) || (this.#last >= this.#real - 1 && this.top < this.#range);
  }

  // Somebody scrolled: returns by how much scrollTop moved.
  scrolled(scrollTop, view) {
    const moved = scrollTop - this.#last;
    this.#last = scrollTop;
    if (moved === 0) {
      return 0;
    }
    const fine = this.#factor !== 1 && Math.abs(moved) <= view;
    this.go(fine ? this.top + moved : scrollTop * this.#factor);
    return moved;
  }

  // To that place, or to the end next to it if scrollTop could not tell it from the end.
  go(top) {
    const blur = 1.5 * this.#factor;
    this.top = top < blur ? 0 : Math.min(top, this.#range);
    if (this.top > this.#range - blur) {
      this.top = this.#range;
    }
  }
}
