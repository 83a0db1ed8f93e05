/** @import { Filter } from '../order/filter.js' */
import { isNarrow, NO_FILTER, readFilter, writeFilter } from '../order/filter.js';
import { t } from '../text/index.js';
import { all, byId, setAttribute, setText } from './dom.js';

/** Search box, chips and views; their state is in the page's address. */
export class Filters {
  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    /** @type {Filter} */
    this.filter = readFilter(location.search);
    const search = byId('search', HTMLInputElement);
    search.addEventListener('input', () => this.set({ text: search.value }));
    byId('filters').addEventListener('click', (event) => this.#chip(event));
    for (const link of all(document, 'a[data-view]')) {
      link.addEventListener('click', (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        this.view(link.dataset.view === 'history' ? 'history' : 'board');
      });
    }
    addEventListener('popstate', () => {
      this.filter = readFilter(location.search);
      this.#draw();
      this.changed();
    });
    this.#draw();
  }

  get narrow() {
    return isNarrow(this.filter);
  }

  /** The filters that apply in this view: the status chips are for the history only. */
  get effective() {
    return this.filter.view === 'board' ? { ...this.filter, status: NO_FILTER.status } : this.filter;
  }

  /** @param {Filter['view']} view */
  view(view) {
    if (view === this.filter.view) return;
    this.filter = { ...this.filter, view };
    history.pushState(null, '', writeFilter(this.filter) || '/');
    this.#draw();
    this.changed();
    scrollTo(0, 0);
  }

  /** @param {Partial<Filter>} change */
  set(change) {
    this.filter = { ...this.filter, ...change };
    history.replaceState(null, '', writeFilter(this.filter) || '/');
    this.#draw();
    this.changed();
  }

  clear() {
    this.set({ ...NO_FILTER, view: this.filter.view });
  }

  /** @param {number} n @param {boolean} complete whether all orders were looked at */
  count(n, complete) {
    const text = complete ? t('filter.count', { n }) : t('loading.rest');
    setText(byId('count'), this.narrow || this.filter.view === 'history' ? text : '');
  }

  /** @param {Event} event */
  #chip(event) {
    const button = /** @type {HTMLElement} */ (event.target).closest('button');
    if (!button) return;
    if (button.id === 'clear-filter') {
      byId('search').focus();
      return this.clear();
    }
    const [name, value] = (button.getAttribute('data-chip') ?? '').split(':');
    const on = button.getAttribute('aria-pressed') === 'true';
    if (name === 'today') this.set({ today: !on });
    else if (name === 'way') this.set({ way: on ? '' : /** @type {Filter['way']} */ (value) });
    else if (name === 'status') this.set({ status: on ? 'all' : /** @type {Filter['status']} */ (value) });
  }

  #draw() {
    const { view, text, status, today, way } = this.filter;
    const search = byId('search', HTMLInputElement);
    if (search.value.trim() !== text.trim()) search.value = text;
    const pressed = new Set([today ? 'today' : '', `way:${way}`, `status:${status}`]);
    for (const chip of all(byId('filters'), '[data-chip]')) {
      chip.setAttribute('aria-pressed', String(pressed.has(chip.dataset.chip ?? '')));
    }
    byId('clear-filter').hidden = !this.narrow;
    for (const link of all(document, 'a[data-view]')) setAttribute(link, 'aria-current', link.dataset.view === view ? 'page' : null);
    document.body.dataset.view = view;
    byId('history').hidden = view !== 'history';
  }
}
