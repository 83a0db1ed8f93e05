/** Two pulses missed and some patience: with half a second to notice it, a stream has a new owner within five. */
const LIMIT_MS = 2600;

/**
 * Tells whether the other side has fallen silent, without mistaking one's own sleep for it: a tab whose timers were
 * held back has heard nothing because it was not listening.
 */
export class Watch {
  /** @param {number} now @param {number} [limitMs] */
  constructor(now, limitMs = LIMIT_MS) {
    this.limitMs = limitMs;
    this.heardAt = now;
    this.checkedAt = now;
  }

  /** @param {number} now */
  heard(now) {
    this.heardAt = now;
  }

  /** @param {number} now @returns {boolean} whether the silence is the other side's */
  silent(now) {
    const slept = now - this.checkedAt > this.limitMs;
    this.checkedAt = now;
    if (slept) this.heardAt = now;
    return now - this.heardAt > this.limitMs;
  }
}
