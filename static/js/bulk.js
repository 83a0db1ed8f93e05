/** @import { Actions } from './actions.js' */
import { fewAtATime } from './actions.js';
import { moveBody } from './order/edits.js';
import { STEADY_MS } from './order/places.js';

/**
 * @typedef {object} Outcome
 * @property {number} done
 * @property {number} failed
 * @property {number} total
 *
 * @typedef {{kind: 'asking', ids: string[], since: number} | ({kind: 'running'} & Outcome)} Step
 */

/**
 * One action on many orders: requested, confirmed once, then run with visible progress. It applies to the orders of the
 * moment of the request, not to later ones.
 */
export class Bulk {
  /**
   * @param {(ids: string[], to: string, progress: (outcome: Outcome) => void) => Promise<Outcome>} moveAll
   * @param {() => number} clock monotonic
   * @param {() => void} changed
   */
  constructor(moveAll, clock, changed) {
    this.moveAll = moveAll;
    this.clock = clock;
    this.changed = changed;
    /** @type {Map<string, Step>} by the name of the pile */
    this.steps = new Map();
  }

  /** @param {string} pile @returns {Step | null} */
  step(pile) {
    return this.steps.get(pile) ?? null;
  }

  /** @param {string} pile @param {string[]} ids */
  ask(pile, ids) {
    if (this.step(pile)?.kind === 'running' || ids.length === 0) return;
    this.steps.set(pile, { kind: 'asking', ids, since: this.clock() });
    this.changed();
  }

  /** @param {string} pile */
  keep(pile) {
    if (this.step(pile)?.kind !== 'asking') return;
    this.steps.delete(pile);
    this.changed();
  }

  /** @param {string} pile @param {string} to @returns {Promise<Outcome | null>} null without a request, or directly after it */
  async confirm(pile, to) {
    const step = this.step(pile);
    // The second click of a double click must not confirm a question that was not read yet.
    if (step?.kind !== 'asking' || this.clock() - step.since < STEADY_MS) return null;
    this.#progress(pile, { done: 0, failed: 0, total: step.ids.length });
    const outcome = await this.moveAll(step.ids, to, (current) => this.#progress(pile, current));
    this.steps.delete(pile);
    this.changed();
    return outcome;
  }

  /** @param {string} pile @param {Outcome} outcome */
  #progress(pile, outcome) {
    this.steps.set(pile, { kind: 'running', ...outcome });
    this.changed();
  }
}

const FAILURES_IN_A_ROW = 6;

/**
 * Sets many orders to one status, without a message for each. An order that was moved elsewhere meanwhile is left unchanged
 * and counts as failed. After several failures in a row that don't concern the order itself, it stops.
 * @param {Actions} actions
 * @param {string[]} ids
 * @param {string} to
 * @param {(outcome: Outcome) => void} progress
 * @returns {Promise<Outcome>}
 */
export async function moveAll(actions, ids, to, progress) {
  const outcome = { done: 0, failed: 0, total: ids.length };
  let inARow = 0;
  await fewAtATime(ids, async (id) => {
    const card = actions.desk.shown(id);
    const isDone = !card || card.status === to;
    const status = isDone ? 200 : (await actions.exchange(card, { status: to, acknowledged: true }, moveBody(card, to))).status;
    if (status === 200 || status === 404) outcome.done += 1;
    else outcome.failed += 1;
    inARow = [200, 404, 409].includes(status) ? 0 : inARow + 1;
    actions.voice.changed();
    progress({ ...outcome });
    if (status === 401) actions.voice.ended();
    return status !== 401 && inARow < FAILURES_IN_A_ROW;
  });
  return { ...outcome, failed: outcome.total - outcome.done };
}
