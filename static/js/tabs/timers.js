/**
 * Timers of a tab. Browsers throttle those of a hidden tab, after a while to one a minute; these also run on each `tick`,
 * which a worker's timer calls twice a second.
 *
 * @typedef {{at: number, run: () => void, native: any}} Timer
 */
export class Timers {
  /** @param {() => number} clock */
  constructor(clock) {
    this.clock = clock;
    /** @type {Set<Timer>} */
    this.pending = new Set();
  }

  /** @param {() => void} run @param {number} ms @returns {Timer} */
  set(run, ms) {
    /** @type {Timer} */
    const timer = { at: this.clock() + ms, run, native: 0 };
    timer.native = setTimeout(() => this.#fire(timer), ms);
    this.pending.add(timer);
    return timer;
  }

  /** @param {Timer | undefined} timer */
  clear(timer) {
    if (timer && this.pending.delete(timer)) clearTimeout(timer.native);
  }

  tick() {
    for (const timer of [...this.pending]) if (timer.at <= this.clock()) this.#fire(timer);
  }

  /** @param {Timer} timer */
  #fire(timer) {
    if (!this.pending.has(timer)) return;
    this.clear(timer);
    timer.run();
  }
}
