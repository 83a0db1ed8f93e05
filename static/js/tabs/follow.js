/** @import { News } from '../feed/drive.js' */
/** @import { Status } from '../feed/types.js' */
/** @import { Bearings } from './hub.js' */
import { compareCursors, laterCursor } from '../order/cursor.js';

/**
 * A tab's position in the stream of cards. The hub's batches carry their first and last cursor; a tab that joined late, slept
 * or changed hubs sees the gap and fetches what is missing.
 *
 * @typedef {Extract<News, {type: 'cards'}>} Batch
 */
export class Follower {
  /** @param {string} cursor */
  constructor(cursor) {
    this.cursor = cursor;
  }

  /** @param {Batch} batch @returns {'apply' | 'gap'} */
  offer(batch) {
    if (!batch.whole && batch.from !== null && compareCursors(batch.from, this.cursor) > 0) return 'gap';
    this.cursor = batch.whole ? batch.to : laterCursor(this.cursor, batch.to);
    return 'apply';
  }

  /** @param {string} cursor of the hub */
  isBehind(cursor) {
    return compareCursors(this.cursor, cursor) < 0;
  }
}

/**
 * The hub's status, converted to the clock of this tab.
 * @param {Status} status
 * @param {Bearings} at
 * @param {number} now the tab's own monotonic ms
 * @returns {Status}
 */
export function byOwnClock(status, { serverTime, wordAge }, now) {
  return { ...status, lastWord: now - wordAge, skew: serverTime - now };
}
