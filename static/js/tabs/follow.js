/** @import { News } from '../feed/drive.js' */
/** @import { Status } from '../feed/types.js' */
/** @import { Bearings } from './hub.js' */
import { compareCursors, laterCursor } from '../order/cursor.js';

/**
 * A tab's own place in the stream of cards. The hub's batches say from where to where they reach; a tab that joined
 * late, slept, or changed hubs sees the hole and fetches it by itself.
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

  /** @param {string} cursor where the hub stands */
  isBehind(cursor) {
    return compareCursors(this.cursor, cursor) < 0;
  }
}

/**
 * What a hub knows, by the clock of the tab that hears it.
 * @param {Status} status
 * @param {Bearings} at
 * @param {number} now the tab's own monotonic ms
 * @returns {Status}
 */
export function byOwnClock(status, { serverTime, wordAge }, now) {
  return { ...status, lastWord: now - wordAge, skew: serverTime - now };
}
