/**
 * Milliseconds that never go back and never leap, whatever is done to the device's clock: for everything that is
 * measured. Its zero is this tab's or worker's own, so other tabs are told durations, never moments.
 */
export const monotonic = () => performance.timeOrigin + performance.now();

/** The device's clock, which is set by people and by networks. */
export const wall = () => Date.now();

/**
 * Tells sleep from time that passed: on most systems the monotonic clock stands still while the device sleeps, and only
 * the wall clock has gone on. A wall clock that is set forth looks the same; one that is set back is nobody's sleep.
 */
export class Sleep {
  /** @param {() => number} clock @param {() => number} wallClock */
  constructor(clock, wallClock) {
    this.offset = () => wallClock() - clock();
    this.last = this.offset();
  }

  /** @returns {number} ms slept, as far as can be told, since the last call */
  passed() {
    const before = this.last;
    this.last = this.offset();
    return Math.max(0, this.last - before);
  }
}
