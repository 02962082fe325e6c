// Random choices that depend only on a seed and a name, not on timing: the same seed gives the same plan.
export class Choices {
  constructor(seed, name) {
    this.state = [...`${seed}/${name}`].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 0x01000193), 0x811c9dc5) >>> 0;
  }

  // mulberry32: 0 <= x < 1
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  below(n) {
    return Math.floor(this.next() * n);
  }

  of(list) {
    return list[this.below(list.length)];
  }

  // Mostly short, sometimes as long as `max` ms.
  ms(max) {
    return Math.floor(this.next() ** 3 * max);
  }
}
