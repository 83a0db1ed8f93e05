/** @import { Card } from './card.js' */

/**
 * Changes made here that the server has not confirmed yet, laid over the book so that a tap shows at once;
 * and the moves of the last seconds, so that a tap can be taken back.
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
   * @returns {number} to settle with
   */
  begin(id, patch) {
    const ticket = ++this.tickets;
    this.pending.set(id, { patch: { ...this.pending.get(id)?.patch, ...patch }, ticket });
    return ticket;
  }

  /**
   * The server has answered, whatever it said. A later change of the same order stays laid over.
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
   * The order as the person at this desk left it.
   * @param {Card} card
   * @returns {Card}
   */
  over(card) {
    const edit = this.pending.get(card.id);
    if (!edit) return card;
    const { status } = edit.patch;
    // Whoever has set the status before has not set this one.
    const by = status === undefined || status === card.status ? {} : { changedBy: null, changedElsewhere: false };
    return { ...card, ...edit.patch, ...by };
  }

  /** @param {Move} move */
  moved(move) {
    this.moves = [...this.moves.filter((other) => other.id !== move.id), move].slice(-20);
  }

  /**
   * The newest move that can still be taken back.
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
 * The body of a write: what to set, and the status it relies on.
 * @param {Card} card as shown when it was tapped
 * @param {string} to
 */
export function moveBody(card, to) {
  /** @type {{status: string, expectedStatus: string, acknowledged?: boolean}} */
  const body = { status: to, expectedStatus: card.status };
  // Whoever moves an order along has noticed it: the alarm must fall silent with the same write.
  if (!card.acknowledged) body.acknowledged = true;
  return body;
}
