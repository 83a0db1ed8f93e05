/** @import { Card } from '../order/card.js' */
/** @import { Desk } from '../desk.js' */
/** @import { Formats } from '../text/format.js' */
/** @import { Actions } from '../actions.js' */
import { wholeOrder } from '../api.js';
import { monotonic } from '../clock.js';
import { mapLink, numberOf, placeOf, plain, telephone } from '../order/card.js';
import { fieldsOf, itemsOf, staffTexts, timelineOf } from '../order/whole.js';
import { STEADY_MS } from '../order/places.js';
import { CANCELLED, laneOf, nextStatus, offered } from '../order/status.js';
import { hasText, statusName, stepName, t } from '../text/index.js';
import { all, byId, make } from './dom.js';

const ITEMS_SHOWN = 1000;

/** The dialog of one order, with all its fields. */
export class Detail {
  /**
   * @param {Desk} desk
   * @param {Actions} actions
   * @param {Formats} formats
   * @param {(card: Card) => void} print
   */
  constructor(desk, actions, formats, print) {
    this.desk = desk;
    this.actions = actions;
    this.formats = formats;
    this.print = print;
    this.dialog = byId('detail', HTMLDialogElement);
    /** @type {string | null} */
    this.id = null;
    this.state = '';
    /** @type {any} the order as stored, when fetched */
    this.whole = null;
    this.failed = false;
    this.confirming = false;
    /** What the buttons do, and since when. */
    this.doing = '';
    this.doingSince = 0;
    /** When the pointer came down. */
    this.aimed = 0;
    this.dialog.addEventListener('pointerdown', () => (this.aimed = monotonic()), { capture: true });
    this.dialog.addEventListener('close', () => {
      this.id = null;
    });
    this.dialog.addEventListener('click', (event) => this.#click(event));
  }

  /** @param {string} id */
  open(id) {
    const card = this.desk.shown(id);
    if (!card) return;
    Object.assign(this, { id, whole: null, failed: false, confirming: false, state: '', doing: '' });
    this.draw();
    if (!this.dialog.open) this.dialog.showModal();
    byId('detail-title').focus();
    void this.#fetch(id);
  }

  /** Follows the order while it is open. */
  draw() {
    if (!this.id) return;
    const card = this.desk.shown(this.id);
    if (!card) return this.dialog.close();
    const state = [card.position, card.partial, card.status, card.acknowledged, this.failed, this.confirming, Boolean(this.whole)].join(' ');
    if (state === this.state) return;
    const moved = this.state !== '' && !this.state.startsWith(`${card.position} `);
    this.state = state;
    const doing = [card.id, card.status, card.acknowledged, this.confirming].join(' ');
    if (doing !== this.doing) this.doingSince = monotonic();
    this.doing = doing;
    const body = byId('detail-body');
    const open = body.querySelector('details')?.open ?? false;
    const focused = document.activeElement?.getAttribute('data-do') ?? null;
    byId('detail-title').textContent = t('detail.title', { number: numberOf(card) });
    body.replaceChildren(...this.#parts(card, open));
    if (focused) all(body, `[data-do="${focused}"]`)[0]?.focus();
    if (moved) void this.#fetch(card.id);
  }

  /** @param {string} id */
  async #fetch(id) {
    const answer = await wholeOrder(id);
    if (this.id !== id) return;
    this.whole = answer.body?.order ?? null;
    this.failed = this.whole === null;
    this.state += ' fetched';
    this.draw();
  }

  /** @param {Card} card @param {boolean} open @returns {Node[]} */
  #parts(card, open) {
    const tag = make('span', { class: 'tag', 'data-lane': laneOf(card.status), text: statusName(plain(card.status, 60)) });
    const parts = [make('div', { class: 'detail-top' }, [tag, make('span', { text: this.formats.full(card.timestamp) })]), this.#buttons(card)];
    if (this.confirming) parts.push(this.#confirm(card));
    parts.push(this.#customer(card));
    if (card.notes) parts.push(make('p', { class: 'detail-notes', dir: 'auto', text: plain(card.notes, 20_000) }));
    parts.push(this.#items(card), this.#timeline(card), this.#everything(open));
    return parts;
  }

  /** @param {Card} card */
  #buttons(card) {
    const row = make('div', { class: 'detail-actions' });
    const next = nextStatus(card);
    if (next) row.append(make('button', { type: 'button', class: 'button primary', 'data-do': 'next', text: stepName(next) }));
    if (!card.acknowledged && laneOf(card.status) === 'new') {
      row.append(make('button', { type: 'button', class: 'button', 'data-do': 'ack', text: t('card.acknowledge') }));
    }
    const choices = offered.includes(card.status) ? offered : [card.status, ...offered];
    const select = /** @type {HTMLSelectElement} */ (make('select', { 'aria-label': t('detail.set'), 'data-do': 'set' }));
    for (const status of choices) {
      if (status === CANCELLED && card.status !== CANCELLED) continue;
      const option = /** @type {HTMLOptionElement} */ (make('option', { value: status, text: statusName(plain(status, 60)) }));
      option.selected = status === card.status;
      select.append(option);
    }
    select.addEventListener('change', () => void this.actions.move(card.id, select.value));
    row.append(select, make('button', { type: 'button', class: 'button', 'data-do': 'print', text: t('detail.print') }));
    if (laneOf(card.status) !== 'done') row.append(make('button', { type: 'button', class: 'button danger', 'data-do': 'cancel', text: t('detail.cancel') }));
    return row;
  }

  /** @param {Card} card */
  #confirm(card) {
    return make('div', { class: 'confirm', role: 'group' }, [
      make('p', { text: t('detail.cancel.sure', { number: numberOf(card) }) }),
      make('div', { class: 'detail-actions' }, [
        make('button', { type: 'button', class: 'button danger', 'data-do': 'cancel-yes', text: t('detail.cancel') }),
        make('button', { type: 'button', class: 'button', 'data-do': 'cancel-no', text: t('detail.cancel.keep') }),
      ]),
    ]);
  }

  /** @param {Card} card */
  #customer(card) {
    const list = make('dl', { class: 'detail-grid' });
    const add = (/** @type {string} */ name, /** @type {Node | string} */ value) => {
      if (value) list.append(make('dt', { text: t(name) }), make('dd', {}, [value]));
    };
    const name = plain(card.customerName, 300) || t('card.guest');
    add('detail.customer', make('bdi', { text: name }));
    const phone = telephone(card.phone);
    if (phone) list.lastElementChild?.append(' · ', make('a', { href: phone }, [make('bdi', { dir: 'ltr', text: plain(card.phone, 60) })]));
    if (card.email) list.lastElementChild?.append(' · ', make('bdi', { text: plain(card.email, 200) }));
    const place = placeOf(card);
    if (place) add('detail.where', make('a', { href: mapLink(card), target: '_blank', rel: 'noopener noreferrer' }, [make('bdi', { text: place })]));
    const { driver, staff, reason, note } = staffTexts(card, this.whole);
    if (driver) add('detail.driver', make('bdi', { text: driver }));
    if (card.readyAt) add('detail.ready', this.formats.full(card.readyAt));
    const because = [reason && (hasText(`reason.${reason}`) ? t(`reason.${reason}`) : reason), note].filter(Boolean);
    add('detail.reason', because.join('\n'));
    if (staff) add('detail.staff', make('bdi', { text: staff }));
    return list;
  }

  /** @param {Card} card */
  #items(card) {
    const all = (card.moreItems && itemsOf(this.whole)) || card.items;
    const more = Math.max(all.length - ITEMS_SHOWN, 0) + (all === card.items ? (card.moreItems ?? 0) : 0);
    const rows = all.slice(0, ITEMS_SHOWN).map((item) =>
      make('tr', {}, [
        make('td', { text: item.quantity === null ? '' : t('card.quantity', { n: this.formats.number(item.quantity) }) }),
        make('td', {}, [make('bdi', { text: plain(item.name, 400) })]),
        make('td', {}, [make('bdi', { text: plain(item.price, 40) })]),
      ]),
    );
    if (more > 0) rows.push(make('tr', {}, [make('td'), make('td', { colspan: '2', text: t('card.more', { n: more }) })]));
    const total = card.total === null ? t('card.nototal') : this.formats.money(card.total);
    const foot = make('tfoot', {}, [make('tr', {}, [make('td'), make('td', { text: t('detail.total') }), make('td', { text: total })])]);
    return make('section', {}, [make('h3', { text: t('detail.items') }), make('table', { class: 'detail-items' }, [make('tbody', {}, rows), foot])]);
  }

  /** @param {Card} card */
  #timeline(card) {
    const lines = timelineOf(card, this.whole).map(({ at, kind, status, by }) => {
      const name = plain(by, 80);
      let text = t('detail.placed');
      if (kind === 'noticed') text = name ? t('detail.noticed', { name }) : t('card.noticed.nobody');
      if (kind === 'status') text = name ? t('detail.by', { status: statusName(plain(status, 60)), name }) : statusName(plain(status, 60));
      if (kind === 'elsewhere') text = status ? t('detail.elsewhere', { status: statusName(plain(status, 60)) }) : t('card.elsewhere');
      const line = [make('span', { text })];
      if (at !== null) line.unshift(make('time', { datetime: new Date(at).toISOString(), text: this.formats.full(at) }));
      return make('li', {}, line);
    });
    return make('section', {}, [make('h3', { text: t('detail.history') }), make('ol', { class: 'timeline' }, lines)]);
  }

  /** @param {boolean} open */
  #everything(open) {
    if (!this.whole) return make('p', { class: 'hint', text: t(this.failed ? 'detail.failed' : 'detail.loading') });
    const list = make('dl', { class: 'detail-grid raw' });
    // A scrollable box must be reachable by keyboard.
    for (const [name, value] of fieldsOf(this.whole)) list.append(make('dt', {}, [make('bdi', { text: name })]), make('dd', { tabindex: '0', dir: 'auto', text: value }));
    const details = make('details', { class: 'raw-fields' }, [make('summary', { text: t('detail.everything') }), list]);
    details.toggleAttribute('open', open);
    return details;
  }

  /** @param {Event} event */
  #click(event) {
    const id = this.id;
    const target = /** @type {HTMLElement} */ (event.target);
    // A click on the dialog itself is on its backdrop: the content covers the rest.
    if (target === this.dialog) return this.dialog.close();
    if (!id) return;
    // The second click of a double click is not meant for the buttons that the first one brought.
    if (/** @type {MouseEvent} */ (event).detail > 0 && this.aimed - this.doingSince < STEADY_MS) return;
    const act = target.closest('[data-do]')?.getAttribute('data-do');
    if (act) this.doingSince = monotonic();
    switch (act) {
      case 'next':
        return void this.actions.advance(id);
      case 'ack':
        return void this.actions.acknowledge(id);
      case 'print': {
        const card = this.desk.shown(id);
        if (card) this.print(card);
        return;
      }
      case 'cancel':
      case 'cancel-no':
        this.confirming = !this.confirming;
        this.draw();
        all(byId('detail-body'), this.confirming ? '[data-do="cancel-no"]' : '[data-do="cancel"]')[0]?.focus();
        return;
      case 'cancel-yes':
        this.confirming = false;
        void this.actions.move(id, CANCELLED);
    }
  }
}
