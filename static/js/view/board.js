/** @import { Shown } from '../desk.js' */
/** @import { Formats } from '../text/format.js' */
/** @import { BoardLane } from '../order/status.js' */
/** @import { Prefs } from '../prefs.js' */
import { newestFirst, oldestFirst } from '../order/book.js';
import { Places, STEADY_MS } from '../order/places.js';
import { isWaiting, lanes } from '../order/status.js';
import { t } from '../text/index.js';
import { blankCard, fillAge, fillCard } from './card.js';
import { all, arrange, byId, one, placeOf, setText } from './dom.js';

/** The columns, and on a phone the tabs that choose one of them. */
export class Board {
  /** @param {() => number} clock monotonic @param {() => void} chosen a column was chosen on a phone */
  constructor(clock, chosen) {
    this.clock = clock;
    this.chosen = chosen;
    this.root = byId('board');
    /** The column that a phone shows. @type {BoardLane} */
    this.lane = lanes[0];
    this.places = new Places();
    /** @type {Map<string, HTMLElement>} */
    this.elements = new Map();
    for (const card of all(this.root, '.card')) this.elements.set(card.dataset.id ?? '', card);
    /** @type {Shown[]} */
    this.shown = [];
    // A card that changes columns is inserted again, which would restart its highlight.
    this.root.addEventListener('animationend', (event) => {
      /** @type {Element} */ (event.target).classList.remove('arrived');
    });
    this.#tabs();
  }

  /**
   * @param {Shown[]} list
   * @param {{formats: Formats, prefs: Prefs, now: number, narrow: boolean, complete: boolean, arrived: Set<string>, isFolded: (id: string) => boolean, isHeld: (id: string) => boolean}} how
   */
  draw(list, { formats, prefs, now, narrow, complete, arrived, isFolded, isHeld }) {
    const focus = this.#focused();
    const all = list.filter(({ lane }) => lane !== 'done');
    this.shown = all.filter(({ card }) => !isFolded(card.id));
    // Cards hidden by a filter are kept: making hundreds again when it is cleared would be slow.
    for (const id of this.elements.keys()) if (!isHeld(id)) this.elements.delete(id);
    for (const lane of lanes) {
      const inLane = this.shown.filter((shown) => shown.lane === lane).sort(laneOrder(prefs));
      const elements = inLane.map((shown) => this.#element(shown, { formats, prefs, now, arrived }));
      arrange(one(this.root, `[data-list="${lane}"]`), elements);
      const held = all.filter((shown) => shown.lane === lane);
      this.#count(lane, held);
      const empty = one(this.root, `[data-empty="${lane}"]`);
      empty.hidden = held.length > 0;
      setText(empty, t(!complete ? 'loading.rest' : narrow ? 'lane.empty.filtered' : `lane.empty.${lane}`));
    }
    this.#refocus(focus);
    this.look();
  }

  /** Records the places of the cards; must be called whenever they may have changed. */
  look() {
    this.places.note(this.#inPlace(), this.clock());
  }

  /** @param {number} now server time @param {Prefs} prefs */
  age(now, prefs) {
    for (const { card } of this.shown) {
      const element = this.elements.get(card.id);
      if (element) fillAge(element, card, now, prefs);
    }
  }

  /** @param {string} lane */
  select(lane) {
    this.lane = /** @type {BoardLane} */ (lane);
    for (const column of all(this.root, '.lane')) column.toggleAttribute('data-chosen', column.dataset.lane === lane);
    for (const tab of all(byId('tabs'), '[data-lane]')) {
      const chosen = tab.dataset.lane === lane;
      tab.setAttribute('aria-selected', String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
    }
  }

  /** Scrolls to an order and highlights it. @param {string} id @param {boolean} focus */
  reveal(id, focus) {
    const element = this.elements.get(id);
    if (!element?.isConnected) return;
    this.select(element.dataset.lane ?? '');
    element.scrollIntoView({ block: 'center' });
    if (focus) element.focus({ preventScroll: true });
    element.classList.remove('arrived');
    void element.offsetWidth;
    element.classList.add('arrived');
  }

  /** Scrolls to the rows of floods. */
  revealFloods() {
    this.select(lanes[0]);
    const row = byId('floods').querySelector('button');
    row?.scrollIntoView({ block: 'center' });
    row?.focus({ preventScroll: true });
  }

  /** Shows that a tap on this card was ignored, since it was meant for another one. @param {string} id */
  ignore(id) {
    const element = this.elements.get(id);
    element?.setAttribute('data-settling', '');
    setTimeout(() => element?.removeAttribute('data-settling'), STEADY_MS);
  }

  /** The cards in the order of the screen, column by column. @returns {HTMLElement[]} */
  inSight() {
    return all(this.root, '.card').filter((element) => element.offsetParent !== null);
  }

  /** @returns {Iterable<[string, import('../order/places.js').Place]>} */
  *#inPlace() {
    for (const { card, mark } of this.shown) {
      const element = this.elements.get(card.id);
      const place = element && placeOf(element);
      if (place) yield [card.id, { ...place, status: card.status, doing: `${card.acknowledged} ${mark?.kind}` }];
    }
  }

  /** @param {Shown} shown @param {{formats: Formats, prefs: Prefs, now: number, arrived: Set<string>}} how */
  #element(shown, { formats, prefs, now, arrived }) {
    let element = this.elements.get(shown.card.id);
    if (!element) {
      element = blankCard();
      this.elements.set(shown.card.id, element);
      if (arrived.delete(shown.card.id)) element.classList.add('arrived');
    }
    fillCard(element, shown, formats);
    fillAge(element, shown.card, now, prefs);
    return element;
  }

  /** @param {string} lane @param {Shown[]} inLane */
  #count(lane, inLane) {
    const waiting = inLane.some(({ card }) => isWaiting(card));
    for (const badge of document.querySelectorAll(`[data-count="${lane}"]`)) {
      setText(badge, String(inLane.length));
      badge.toggleAttribute('data-waiting', waiting);
    }
  }

  /** The place of the focus, in a form that is valid after a redraw. */
  #focused() {
    const active = document.activeElement;
    const card = /** @type {HTMLElement | null} */ (active?.closest?.('#board .card') ?? null);
    if (!card) return null;
    const list = card.parentElement;
    const act = active === card ? null : (active?.getAttribute('data-act') ?? null);
    return { card, list, at: list ? [...list.children].indexOf(card) : 0, act };
  }

  /**
   * Restores the focus. When the focused card has left its column, the next card of the column gets it.
   * @param {{card: HTMLElement, list: Element | null, at: number, act: string | null} | null} focus
   */
  #refocus(focus) {
    if (!focus?.list || document.querySelector('dialog[open]')) return;
    const { card, list, at, act } = focus;
    if (card.isConnected && card.parentElement === list) {
      const button = /** @type {HTMLElement | null} */ (act ? card.querySelector(`[data-act="${act}"]:not([hidden])`) : card);
      if (document.activeElement === document.body || !card.contains(document.activeElement)) (button ?? card).focus({ preventScroll: true });
      return;
    }
    this.places.passedOn = this.clock();
    const heir = list.children[Math.min(at, list.children.length - 1)];
    const target = heir ?? list.closest('.lane')?.querySelector('.lane-head');
    /** @type {HTMLElement | null} */ (target)?.focus({ preventScroll: heir === undefined });
  }

  #tabs() {
    const tabs = byId('tabs');
    tabs.addEventListener('click', (event) => {
      const lane = /** @type {HTMLElement} */ (event.target).closest('[data-lane]')?.getAttribute('data-lane');
      if (!lane) return;
      this.select(lane);
      this.chosen();
    });
    tabs.addEventListener('keydown', (event) => {
      if (event.key !== 'ArrowRight' && event.key !== 'ArrowLeft') return;
      const forward = event.key === (document.dir === 'rtl' ? 'ArrowLeft' : 'ArrowRight');
      const at = lanes.indexOf(this.lane);
      const lane = lanes[(at + (forward ? 1 : -1) + lanes.length) % lanes.length];
      this.select(lane);
      this.chosen();
      byId(`tab-${lane}`).focus();
    });
  }
}

/** Unacknowledged orders come first: new ones must be visible without scrolling. @param {Prefs} prefs */
function laneOrder({ sort }) {
  const byAge = sort === 'newest' ? newestFirst : oldestFirst;
  return (/** @type {Shown} */ a, /** @type {Shown} */ b) =>
    Number(isWaiting(b.card)) - Number(isWaiting(a.card)) || byAge(a.card, b.card);
}
