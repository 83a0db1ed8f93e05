/** Two missed pulses and a margin: with half a second to detect it, a stream has a new owner within five seconds. */
const LIMIT_MS = 2600;

/**
 * Detects that the other side is silent. A pause of this tab itself doesn't count: a tab whose timers were throttled did not
 * process messages.
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

  /** @param {number} now @returns {boolean} whether the other side is silent */
  silent(now) {
    const slept = now - this.checkedAt > this.limitMs;
    this.checkedAt = now;
    if (slept) this.heardAt = now;
    return now - this.heardAt > this.limitMs;
  }
}
