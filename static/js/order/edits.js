/** @import { Card } from './card.js' */

/**
 * Changes made here that the server has not confirmed yet, applied over the book so that they show at once; and the moves
 * of the last seconds, for undo.
 *
 * @typedef {{status?: string, acknowledged?: boolean}} Patch
 * @typedef {{id: string, from: string, to: string, at: number, number: string}} Move
 */

export const UNDO_MS = 10_000;

export class Edits {
  constructor() {
    /** @type {Map<string, {patch: Patch, ticket: number}>} */
    this.pending = new Map();
    /** @type {Move[]} newest last */
    this.moves = [];
    this.tickets = 0;
  }

  /**
   * @param {string} id
   * @param {Patch} patch
   * @returns {number} ticket for `settle`
   */
  begin(id, patch) {
    const ticket = ++this.tickets;
    this.pending.set(id, { patch: { ...this.pending.get(id)?.patch, ...patch }, ticket });
    return ticket;
  }

  /**
   * Removes a change after any answer of the server. A later change of the same order stays.
   * @param {string} id
   * @param {number} ticket
   */
  settle(id, ticket) {
    if (this.pending.get(id)?.ticket === ticket) this.pending.delete(id);
  }

  /** @param {string} id */
  isPending(id) {
    return this.pending.has(id);
  }

  /**
   * The order with this desk's pending change.
   * @param {Card} card
   * @returns {Card}
   */
  over(card) {
    const edit = this.pending.get(card.id);
    if (!edit) return card;
    const { status } = edit.patch;
    // The known names belong to the previous status.
    const by = status === undefined || status === card.status ? {} : { changedBy: null, changedElsewhere: false };
    return { ...card, ...edit.patch, ...by };
  }

  /** @param {Move} move */
  moved(move) {
    this.moves = [...this.moves.filter((other) => other.id !== move.id), move].slice(-20);
  }

  /**
   * The newest move that can still be undone.
   * @param {number} now
   */
  undoable(now) {
    this.moves = this.moves.filter((move) => now - move.at < UNDO_MS);
    return this.moves.at(-1) ?? null;
  }

  /** @param {string} id */
  forget(id) {
    this.moves = this.moves.filter((move) => move.id !== id);
  }
}

/**
 * The body of a write: what to set, and the expected status.
 * @param {Card} card as shown when it was tapped
 * @param {string} to
 */
export function moveBody(card, to) {
  /** @type {{status: string, expectedStatus: string, acknowledged?: boolean}} */
  const body = { status: to, expectedStatus: card.status };
  // Moving an order acknowledges it in the same write, which stops the alarm.
  if (!card.acknowledged) body.acknowledged = true;
  return body;
}
