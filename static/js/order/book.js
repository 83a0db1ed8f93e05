/** @import { Card, Summary } from './card.js' */
import { cardFromSummary, contentOf } from './card.js';
import { compareCursors, laterCursor } from './cursor.js';
import { laneOf } from './status.js';

/**
 * @typedef {object} Change
 * @property {string} id
 * @property {Card | null} before
 * @property {Card | null} after
 * @property {boolean} [rewritten] the customer's part of it has changed
 */

/** @typedef {Card | {id: string, removed: true}} Row */

/**
 * The orders this desk knows, each in its newest state. States come from page, stream, polls and answers to writes; an older
 * one never replaces a newer one, so the order of arrival doesn't matter.
 *
 * Bounded like the server's window: the newest `window` orders, and up to `maxOpen` older open ones, which newer orders don't
 * push out. Above `maxOpen` the newest of these leave: those that have waited longest stay.
 */
export class Book {
  /** @param {Card[]} cards @param {number} [window] @param {number} [maxOpen] */
  constructor(cards, window = 500, maxOpen = 2000) {
    this.window = window;
    this.maxOpen = maxOpen;
    /** @type {Card[] | null} newest first, while nothing has changed */
    this.sorted = null;
    /** @type {Map<string, Card>} */
    this.cards = new Map(cards.map((card) => [card.id, card]));
    /** @type {Map<string, string>} id to the position of the removal */
    this.removed = new Map();
    /**
     * Content of the last whole card: a summary overwrites part of a card before its details arrive.
     * @type {Map<string, string>}
     */
    this.contents = new Map(cards.map((card) => [card.id, contentOf(card)]));
  }

  get size() {
    return this.cards.size;
  }

  /** Maximum number of orders held. */
  get limit() {
    return this.window + this.maxOpen;
  }

  /** @param {string} id */
  get(id) {
    return this.cards.get(id) ?? null;
  }

  /** Newest first. */
  list() {
    this.sorted ??= [...this.cards.values()].sort(newestFirst);
    return this.sorted;
  }

  /**
   * Applies a stream event. It has only the seven fields of a summary; other fields of a known order are kept.
   * @param {'new_order' | 'order_update'} kind
   * @param {string} position
   * @param {Summary} summary
   * @param {number} now server time, ms
   * @returns {Change[]}
   */
  applySummary(kind, position, summary, now) {
    const before = this.get(summary.id);
    if (this.#isOld(summary.id, position, before)) return [];
    const fresh = cardFromSummary(summary, position, now);
    const after = before
      ? {
          ...before,
          position,
          updatedAt: fresh.updatedAt,
          status: fresh.status,
          total: fresh.total,
          itemCount: fresh.itemCount,
          customerName: fresh.customerName || before.customerName,
          // The details tell who has made this change.
          changedBy: null,
          changedElsewhere: false,
          partial: true,
        }
      : fresh;
    // An order first seen in an update was created earlier: its commit time is not known yet.
    if (!before && kind === 'order_update') after.createdAt = Math.min(after.timestamp, after.createdAt);
    return this.#put(after, before);
  }

  /**
   * Applies whole cards: the answer of `recent`, or of a write.
   * @param {Row[]} rows
   * @param {string} cursor of the answer; the position of its removals
   * @returns {Change[]}
   */
  applyCards(rows, cursor) {
    return rows.flatMap((row) => {
      if ('removed' in row) return this.remove(row.id, cursor);
      const before = this.get(row.id);
      if (this.#isOld(row.id, row.position, before)) return [];
      const content = contentOf(row);
      const rewritten = before !== null && (this.contents.get(row.id) ?? content) !== content;
      this.contents.set(row.id, content);
      return this.#put(row, before, rewritten);
    });
  }

  /**
   * Applies the whole window: orders that are not in it are removed, unless they are newer than the answer.
   * @param {Card[]} cards
   * @param {string} cursor
   * @returns {Change[]}
   */
  replace(cards, cursor) {
    const kept = new Set(cards.map((card) => card.id));
    const changes = this.applyCards(cards, cursor);
    for (const card of [...this.cards.values()]) {
      if (!kept.has(card.id) && compareCursors(card.position, cursor) <= 0) {
        this.#drop(card.id);
        changes.push({ id: card.id, before: card, after: null });
      }
    }
    return changes;
  }

  /**
   * @param {string} id
   * @param {string} position
   * @returns {Change[]}
   */
  remove(id, position) {
    const before = this.get(id);
    if (before && compareCursors(before.position, position) > 0) return [];
    this.removed.set(id, laterCursor(this.removed.get(id) ?? '', position));
    if (this.removed.size > this.window) this.removed.delete(/** @type {string} */ (this.removed.keys().next().value));
    if (!before) return [];
    this.#drop(id);
    return [{ id, before, after: null }];
  }

  /**
   * @param {string} id
   * @param {string} position
   * @param {Card | null} before
   */
  #isOld(id, position, before) {
    const grave = this.removed.get(id);
    if (grave !== undefined && compareCursors(position, grave) <= 0) return true;
    if (!before) return false;
    const order = compareCursors(position, before.position);
    // Details have the same position as the summary before them.
    return order < 0 || (order === 0 && !before.partial);
  }

  /**
   * @param {Card} after
   * @param {Card | null} before
   * @param {boolean} [rewritten]
   * @returns {Change[]}
   */
  #put(after, before, rewritten = false) {
    this.removed.delete(after.id);
    this.cards.set(after.id, after);
    this.sorted = null;
    const dropped = this.#trim(after.id);
    return [{ id: after.id, before, after, rewritten }, ...dropped];
  }

  /** @param {string} id */
  #drop(id) {
    this.cards.delete(id);
    this.contents.delete(id);
    this.sorted = null;
  }

  /**
   * Keeps the book bounded, since a screen runs for weeks; each order that comes in pushes out at most one.
   * @param {string} keep the order that has just come in: not removed for being finished
   * @returns {Change[]}
   */
  #trim(keep) {
    if (this.cards.size <= this.window) return [];
    const victim = this.#victim(keep);
    if (!victim) return [];
    this.#drop(victim.id);
    return [{ id: victim.id, before: victim, after: null }];
  }

  /** @param {string} keep @returns {Card | null} */
  #victim(keep) {
    /** @type {Card | null} */
    let finished = null;
    for (const card of this.cards.values()) {
      if (card.id !== keep && laneOf(card.status) === 'done' && (!finished || newestFirst(card, finished) > 0)) finished = card;
    }
    if (finished && this.#newerThan(finished) >= this.window) return finished;
    if (this.cards.size <= this.window + this.maxOpen) return null;
    return this.list()[this.window];
  }

  /** @param {Card} card how many orders are newer */
  #newerThan(card) {
    let newer = 0;
    for (const other of this.cards.values()) if (newestFirst(other, card) < 0) newer += 1;
    return newer;
  }
}

/** @param {Card} a @param {Card} b */
export function newestFirst(a, b) {
  return b.timestamp - a.timestamp || compareCursors(b.position, a.position);
}

/** @param {Card} a @param {Card} b */
export function oldestFirst(a, b) {
  return newestFirst(b, a);
}
