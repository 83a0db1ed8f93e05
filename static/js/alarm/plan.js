/** @import { Card } from '../order/card.js' */
import { isWaiting } from '../order/status.js';

export const REPEAT_MS = 12_000;
export const URGENT_REPEAT_MS = 6000;
const ESCALATE_MS = 120_000;
export const SNOOZE_MS = 60_000;
const TOGETHER_MS = 1500;
const FRESH_MS = 4000;
/** Orders that have waited for a day stay marked on the board, without a sound. */
const HORIZON_MS = 24 * 3_600_000;

/**
 * Orders that were not acknowledged on any device.
 * @param {Iterable<Card>} cards
 * @param {number} now server time
 */
export function waitingOrders(cards, now) {
  return [...cards].filter((card) => isWaiting(card) && now - card.createdAt < HORIZON_MS);
}

/**
 * @typedef {object} Verdict
 * @property {number} waiting
 * @property {boolean} urgent
 * @property {boolean} ring     it is time for the sound
 * @property {boolean} snoozed
 */

/**
 * Decides when to ring: at once for a new order, and repeatedly until all orders are acknowledged.
 */
export class Alarm {
  constructor() {
    /** @type {Set<string> | null} */
    this.known = null;
    this.freshAt = -Infinity;
    this.snoozedUntil = -Infinity;
    this.heldUntil = -Infinity;
  }

  /** @param {number} now monotonic ms */
  snooze(now) {
    this.snoozedUntil = now + SNOOZE_MS;
    this.freshAt = -Infinity;
  }

  /**
   * Holds repeats back after a sleep, until it is known which orders were acknowledged elsewhere meanwhile. A new order
   * still rings at once.
   * @param {number} until monotonic ms
   */
  hold(until) {
    this.heldUntil = until;
  }

  /**
   * @param {{now: number, serverNow: number, waiting: {id: string, createdAt: number}[], lastRung: number}} facts
   * @returns {Verdict}
   */
  judge({ now, serverNow, waiting, lastRung }) {
    const ids = new Set(waiting.map((card) => card.id));
    const known = this.known;
    // A snooze applies to the orders known when it began, not to new ones.
    if (known && waiting.some((card) => !known.has(card.id))) {
      this.freshAt = now;
      this.snoozedUntil = -Infinity;
    }
    this.known = ids;
    const fresh = now - this.freshAt < FRESH_MS;
    const urgent = waiting.some((card) => serverNow - card.createdAt >= ESCALATE_MS);
    const snoozed = now < this.snoozedUntil;
    const due = now >= this.heldUntil && now - lastRung >= (urgent ? URGENT_REPEAT_MS : REPEAT_MS);
    const ring = ids.size > 0 && !snoozed && (due || (fresh && now - lastRung >= TOGETHER_MS));
    return { waiting: ids.size, urgent, ring, snoozed };
  }

  /** The sound was made, here or in another tab. */
  rang() {
    this.freshAt = -Infinity;
  }
}
