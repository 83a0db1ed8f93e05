/** @import { Card } from './order/card.js' */
/** @import { Desk } from './desk.js' */
/** @import { Answer } from './api.js' */
import { numberOf } from './order/card.js';
import { moveBody } from './order/edits.js';
import { nextStatus, previousStatus } from './order/status.js';

/**
 * Actions on orders: shown at once, sent with the status that they expect, undone when the server refuses them.
 *
 * @typedef {object} Voice           shows the outcome on the screen
 * @property {() => void} changed
 * @property {(move: import('./order/edits.js').Move) => void} moved
 * @property {(move: import('./order/edits.js').Move) => void} undone
 * @property {(card: Card, now: Card) => void} conflict
 * @property {(card: Card, answer: Answer, again: () => void) => void} failed
 * @property {() => void} ended
 */

export class Actions {
  /**
   * @param {Desk} desk
   * @param {(id: string, change: unknown) => Promise<Answer>} write
   * @param {Voice} voice
   */
  constructor(desk, write, voice) {
    this.desk = desk;
    this.write = write;
    this.voice = voice;
    /** @type {Map<string, Promise<unknown>>} writes of one order go out one after the other */
    this.queues = new Map();
  }

  /** @param {string} id */
  advance(id) {
    const card = this.desk.shown(id);
    const to = card && nextStatus(card);
    return to ? this.move(id, to) : Promise.resolve(false);
  }

  /** @param {string} id */
  stepBack(id) {
    const card = this.desk.shown(id);
    const to = card && previousStatus(card);
    return to ? this.move(id, to) : Promise.resolve(false);
  }

  /** @param {string} id @param {string} to @returns {Promise<boolean>} */
  async move(id, to) {
    const card = this.desk.shown(id);
    if (!card || card.status === to) return false;
    const body = moveBody(card, to);
    const move = { id, from: card.status, to, at: this.desk.clock(), number: numberOf(card) };
    this.desk.edits.moved(move);
    this.voice.moved(move);
    const done = await this.#send(card, { status: to, acknowledged: true }, body, () => void this.move(id, to));
    if (!done) {
      this.desk.edits.forget(id);
      this.voice.changed();
    }
    return done;
  }

  /** @param {string} id @returns {Promise<boolean>} */
  async acknowledge(id) {
    const card = this.desk.shown(id);
    if (!card || card.acknowledged) return true;
    return this.#send(card, { acknowledged: true }, { acknowledged: true }, () => void this.acknowledge(id));
  }

  /** @param {string[]} ids @returns {Promise<number>} how many could not be acknowledged */
  async acknowledgeAll(ids) {
    let failed = 0;
    await fewAtATime(ids, async (id) => {
      if (!(await this.acknowledge(id))) failed += 1;
      return true;
    });
    return failed;
  }

  /** @param {string} [id] the newest move when absent @returns {Promise<boolean>} */
  async undo(id) {
    const { edits } = this.desk;
    const newest = edits.undoable(this.desk.clock());
    const move = id === undefined ? newest : edits.moves.find((other) => other.id === id);
    const card = move && this.desk.shown(move.id);
    if (!move || !card) return false;
    edits.forget(move.id);
    const body = { status: move.from, expectedStatus: move.to };
    const done = await this.#send(card, { status: move.from }, body, () => void this.move(move.id, move.from));
    if (done) this.voice.undone(move);
    return done;
  }

  /**
   * @param {Card} card
   * @param {import('./order/edits.js').Patch} patch
   * @param {unknown} body
   * @param {() => void} again
   * @returns {Promise<boolean>}
   */
  async #send(card, patch, body, again) {
    const { voice } = this;
    const answer = await this.exchange(card, patch, body);
    const current = answer.body?.order;
    if (answer.status === 200) {
      // Shown already.
    } else if (answer.status === 409 && current) {
      voice.conflict(card, current);
    } else if (answer.status === 401) {
      voice.ended();
    } else {
      voice.failed(card, answer, again);
    }
    voice.changed();
    return answer.status === 200;
  }

  /**
   * Shows a change, sends it, and applies the answer, without a message.
   * @param {Card} card @param {import('./order/edits.js').Patch} patch @param {unknown} body @returns {Promise<Answer>}
   */
  async exchange(card, patch, body) {
    const { desk, voice } = this;
    const ticket = desk.edits.begin(card.id, patch);
    voice.changed();
    const before = this.queues.get(card.id) ?? Promise.resolve();
    const sent = before.then(() => this.write(card.id, body));
    const settled = sent.catch(() => {}).then(() => {
      if (this.queues.get(card.id) === settled) this.queues.delete(card.id);
    });
    this.queues.set(card.id, settled);
    const answer = await sent;
    const current = answer.body?.order;
    // The answer first: otherwise the order's old state would be shown in between.
    if (current && (answer.status === 200 || answer.status === 409)) desk.confirm(current);
    desk.edits.settle(card.id, ticket);
    return answer;
  }
}

/**
 * Runs a few at a time: sixty at once would hold up all other requests over plain HTTP.
 * @param {string[]} ids
 * @param {(id: string) => Promise<boolean>} run whether to go on
 */
export async function fewAtATime(ids, run) {
  const queue = [...ids];
  const worker = async () => {
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) if (!(await run(id))) queue.length = 0;
  };
  await Promise.all([worker(), worker(), worker()]);
}
