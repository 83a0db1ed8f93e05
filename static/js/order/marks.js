/** @import { Card } from './card.js' */
/** @import { Change } from './book.js' */
/** @import { Lane } from './status.js' */
import { isVoid, laneOf } from './status.js';

/**
 * Changes of an order from outside of this desk, shown until they were seen here. A cancelled order keeps its place on
 * the board meanwhile.
 *
 * @typedef {{kind: 'cancelled' | 'changed', lane: Lane, at: number}} Mark
 */

const LIMIT = 200;

export class Marks {
  /** @param {Record<string, Mark>} [saved] */
  constructor(saved = {}) {
    /** @type {Map<string, Mark>} */
    this.marks = new Map(Object.entries(saved).filter(([, mark]) => isMark(mark)));
  }

  /** @param {string} id */
  get(id) {
    return this.marks.get(id) ?? null;
  }

  /**
   * @param {Change} change
   * @param {boolean} own whether this desk made the change
   * @param {number} now
   * @returns {Mark | null} a mark that is new
   */
  observe({ id, before, after, rewritten }, own, now) {
    if (!after) {
      this.marks.delete(id);
      return null;
    }
    if (!before) return null;
    const known = this.get(id);
    if (known?.kind === 'cancelled' && !isVoid(after.status)) this.marks.delete(id);
    if (own) return null;
    const lane = known?.lane ?? laneOf(before.status);
    if (isVoid(after.status) && !isVoid(before.status)) {
      return laneOf(before.status) === 'done' ? null : this.#set(id, { kind: 'cancelled', lane, at: now });
    }
    if (rewritten && laneOf(after.status) !== 'done') return this.#set(id, { kind: 'changed', lane, at: now });
    return null;
  }

  /** @param {string} id */
  seen(id) {
    return this.marks.delete(id);
  }

  /** Drops marks of orders that are no longer held. @param {(id: string) => boolean} exists */
  prune(exists) {
    for (const id of this.marks.keys()) if (!exists(id)) this.marks.delete(id);
  }

  toJSON() {
    return Object.fromEntries([...this.marks].slice(-LIMIT));
  }

  /** @param {string} id @param {Mark} mark */
  #set(id, mark) {
    this.marks.delete(id);
    this.marks.set(id, mark);
    return mark;
  }
}

/** @param {any} value @returns {value is Mark} */
function isMark(value) {
  return value !== null && typeof value === 'object' && ['cancelled', 'changed'].includes(value.kind);
}

/**
 * The column of an order on the board.
 * @param {Card} card
 * @param {Mark | null} mark
 * @returns {Lane}
 */
export function placeOnBoard(card, mark) {
  if (mark?.kind === 'cancelled' && isVoid(card.status)) return mark.lane;
  return laneOf(card.status);
}
