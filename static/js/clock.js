/**
 * Monotonic milliseconds, for all measurements: setting the device's clock doesn't change them. Each tab and worker has its
 * own zero, so messages between tabs carry durations, never times.
 */
export const monotonic = () => performance.timeOrigin + performance.now();

/** The device's clock, which users and networks may set. */
export const wall = () => Date.now();

/**
 * Detects that the device has slept: on most systems the monotonic clock stops meanwhile and the wall clock goes on. A wall
 * clock that is set forward looks the same; one that is set back doesn't count as sleep.
 */
export class Sleep {
  /** @param {() => number} clock @param {() => number} wallClock */
  constructor(clock, wallClock) {
    this.offset = () => wallClock() - clock();
    this.last = this.offset();
  }

  /** @returns {number} estimated ms of sleep since the last call */
  passed() {
    const before = this.last;
    this.last = this.offset();
    return Math.max(0, this.last - before);
  }
}
