/** @import { Actions } from '../actions.js' */
/** @import { Desk } from '../desk.js' */
/** @import { Filters } from './filters.js' */
/** @import { Flood } from '../order/piles.js' */
/** @import { Step } from '../bulk.js' */
/** @import { Toasts } from './toasts.js' */
import { Bulk, moveAll } from '../bulk.js';
import { CANCELLED, COMPLETED } from '../order/status.js';
import { floodTitle, t } from '../text/index.js';
import { all, byId, make } from './dom.js';
import { sayPolitely } from './say.js';

/** The actions of a row: the status that its orders get, and the texts. */
const DEEDS = /** @type {const} */ ({ flood: CANCELLED, old: COMPLETED });
const OLD = 'old';

/**
 * Rows for many orders: a flood from one address, at the top of the first column; and forgotten open orders, above the
 * columns.
 */
export class Piles {
  /** @param {{desk: Desk, actions: Actions, filters: Filters, toasts: Toasts, clock: () => number, changed: () => void}} options */
  constructor({ desk, actions, filters, toasts, clock, changed }) {
    this.desk = desk;
    this.filters = filters;
    this.toasts = toasts;
    this.changed = changed;
    this.bulk = new Bulk((ids, to, progress) => moveAll(actions, ids, to, progress), clock, changed);
    /** @type {Map<string, string[]>} the orders of each row */
    this.ids = new Map();
    this.state = '';
    for (const root of [byId('floods'), byId('old-orders')]) root.addEventListener('click', (event) => this.#click(event));
  }

  /** @param {Flood[]} floods @param {string[]} old ids of forgotten orders */
  draw(floods, old) {
    this.ids = new Map(floods.map(({ source, cards }) => [source, cards.map(({ id }) => id)]));
    this.ids.set(OLD, old);
    // A row without orders stays until the last answer has come.
    const running = [...this.bulk.steps].flatMap(([pile, step]) => (pile !== OLD && step.kind === 'running' && !this.ids.has(pile) ? [pile] : []));
    const shown = [...floods.map(({ source, cards, minutes }) => ({ source, n: cards.length, minutes })), ...running.map((source) => ({ source, n: 0, minutes: 1 }))];
    const { expanded } = this.desk.floods;
    const state = JSON.stringify([shown, [...expanded], old.length, this.filters.filter.old, [...this.bulk.steps].map(([pile, step]) => [pile, step.kind === 'asking' ? step.ids.length : step])]);
    if (state === this.state) return;
    this.state = state;
    const focused = document.activeElement?.getAttribute('data-do');
    const pile = document.activeElement?.closest('[data-pile]')?.getAttribute('data-pile');
    const floodRows = shown.map(({ source, n, minutes }) => this.#row('flood', source, n, floodTitle(n, minutes), expanded.has(source)));
    fill(byId('floods'), floodRows);
    const hasOld = old.length > 0 || this.bulk.step(OLD) !== null;
    fill(byId('old-orders'), hasOld ? [this.#row('old', OLD, old.length, t('old.title', { n: old.length }), this.filters.filter.old)] : []);
    if (focused && pile) this.#focus(pile, focused);
  }

  /** @param {keyof typeof DEEDS} deed @param {string} pile @param {number} n @param {string} title @param {boolean} shown */
  #row(deed, pile, n, title, shown) {
    const step = this.bulk.step(pile);
    const row = make('div', { class: 'pile', 'data-pile': pile, 'data-deed': deed, role: 'group', 'aria-label': title });
    if (step) row.append(...parts(deed, step));
    else {
      row.append(
        make('strong', { text: title }),
        make('span', { class: 'pile-actions' }, [
          button('show', 'button small', t(shown ? `${deed}.hide` : `${deed}.show`), { 'aria-pressed': String(shown) }),
          button('ask', deed === 'flood' ? 'button small danger' : 'button small', t(`${deed}.all`, { n })),
        ]),
      );
    }
    return row;
  }

  /** @param {Event} event */
  #click(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const row = target.closest('[data-pile]');
    const pile = row?.getAttribute('data-pile');
    const deed = row?.getAttribute('data-deed') === 'old' ? 'old' : 'flood';
    if (!pile) return;
    switch (target.closest('[data-do]')?.getAttribute('data-do')) {
      case 'show':
        return this.#show(pile);
      case 'ask':
        this.bulk.ask(pile, this.ids.get(pile) ?? []);
        return this.#now(pile, 'keep');
      case 'keep':
        this.bulk.keep(pile);
        return this.#now(pile, 'ask');
      case 'confirm':
        return void this.#confirm(pile, deed);
    }
  }

  /** @param {string} pile */
  #show(pile) {
    if (pile === OLD) return this.filters.set({ old: !this.filters.filter.old });
    const { expanded } = this.desk.floods;
    if (!expanded.delete(pile)) expanded.add(pile);
    this.changed();
  }

  /** @param {string} pile @param {keyof typeof DEEDS} deed */
  async #confirm(pile, deed) {
    const outcome = await this.bulk.confirm(pile, DEEDS[deed]);
    if (!outcome) return;
    const { done, failed } = outcome;
    const parts = [t(`${deed}.done`, { n: done })];
    if (failed > 0) parts.push(t('bulk.failed', { n: failed }));
    if (deed === 'old' && failed === 0) this.filters.set({ old: false });
    this.toasts.show({ kind: failed > 0 ? 'bad' : 'plain', key: `pile ${pile}`, text: parts.join(', '), ms: 12_000 });
    sayPolitely(parts.join(', '));
  }

  /** Draws at once and moves the focus. @param {string} pile @param {string} to */
  #now(pile, to) {
    this.draw(this.desk.floods.list, this.ids.get(OLD) ?? []);
    this.#focus(pile, to);
  }

  /** @param {string} pile @param {string} to */
  #focus(pile, to) {
    const row = all(document, '[data-pile]').find(({ dataset }) => dataset.pile === pile);
    if (row) all(row, `[data-do="${to}"]`)[0]?.focus();
  }
}

/** @param {keyof typeof DEEDS} deed @param {Step} step @returns {Node[]} */
function parts(deed, step) {
  if (step.kind === 'running') {
    const at = step.done + step.failed;
    const bar = make('progress', { max: String(step.total), value: String(at), 'aria-label': t(`${deed}.all`) });
    return [make('strong', { text: t(`${deed}.progress`, { done: at, n: step.total }) }), bar];
  }
  const n = step.ids.length;
  return [
    make('strong', { text: t(`${deed}.sure`, { n }) }),
    make('span', { class: 'pile-actions' }, [
      button('keep', 'button small', t(`${deed}.keep`)),
      button('confirm', deed === 'flood' ? 'button small danger' : 'button small', t(`${deed}.confirm`, { n })),
    ]),
  ];
}

/** @param {string} what @param {string} look @param {string} text @param {Record<string, string>} [more] */
function button(what, look, text, more) {
  return make('button', { type: 'button', class: look, 'data-do': what, text, ...more });
}

/** @param {HTMLElement} root @param {Node[]} rows */
function fill(root, rows) {
  root.replaceChildren(...rows);
  root.hidden = rows.length === 0;
}
