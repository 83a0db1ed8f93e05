import { STEADY_MS } from './places.js';

/**
 * @typedef {object} Outcome
 * @property {number} done
 * @property {number} failed
 * @property {number} total
 *
 * @typedef {{kind: 'asking', ids: string[], since: number} | ({kind: 'running'} & Outcome)} Step
 */

/**
 * One action on many orders: asked for, confirmed once, then done with its progress to be seen. What is confirmed are the
 * orders that were there when it was asked for, none that came since.
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

  /** @param {string} pile @param {string} to @returns {Promise<Outcome | null>} null when nothing was asked, or just now */
  async confirm(pile, to) {
    const step = this.step(pile);
    // The second half of a double tap is no answer to a question that nobody has read.
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
