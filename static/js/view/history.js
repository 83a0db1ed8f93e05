/** @import { Shown } from '../desk.js' */
/** @import { Formats } from '../text/format.js' */
import { numberOf, plain } from '../order/card.js';
import { isVoid, laneOf } from '../order/status.js';
import { statusName, t } from '../text/index.js';
import { arrange, byId, make } from './dom.js';

/** The table of all orders in the window. */
export class History {
  constructor() {
    this.body = byId('history-rows');
    /** @type {Map<string, {state: string, row: HTMLElement}>} */
    this.rows = new Map();
  }

  /** @param {Shown[]} list @param {{formats: Formats, now: number, narrow: boolean, complete: boolean}} how */
  draw(list, { formats, now, narrow, complete }) {
    const kept = new Set();
    const rows = list.map(({ card }) => {
      kept.add(card.id);
      const state = [card.position, card.partial, card.status].join(' ');
      const known = this.rows.get(card.id);
      if (known?.state === state) return known.row;
      const row = makeRow(card, formats, now);
      this.rows.set(card.id, { state, row });
      return row;
    });
    for (const id of this.rows.keys()) if (!kept.has(id)) this.rows.delete(id);
    arrange(this.body, rows);
    const empty = byId('history-empty');
    empty.hidden = rows.length > 0;
    empty.textContent = t(!complete ? 'loading.rest' : narrow ? 'history.none' : 'history.empty');
  }
}

/** @param {Shown['card']} card @param {Formats} formats @param {number} now */
function makeRow(card, formats, now) {
  const number = numberOf(card);
  // Each isolated: names of both text directions on one line would change places.
  const items = card.items.slice(0, 8).flatMap((item, at) => {
    const quantity = item.quantity === null ? '' : `${t('card.quantity', { n: formats.number(item.quantity) })} `;
    return [`${at > 0 ? t('history.comma') : ''}${quantity}`, make('bdi', { text: plain(item.name, 60) })];
  });
  const more = card.items.length - 8;
  if (more > 0 || card.moreItems) items.push(`${items.length > 0 ? t('history.comma') : ''}${t('card.more', { n: Math.max(more, 0) + (card.moreItems ?? 0) })}`);
  if (items.length === 0) items.push(t('card.items', { n: card.itemCount }));
  const tag = make('span', { class: 'tag', 'data-lane': laneOf(card.status), text: statusName(plain(card.status, 40)) });
  tag.toggleAttribute('data-void', isVoid(card.status));
  return make('tr', { 'data-id': card.id }, [
    make('td', {}, [make('button', { type: 'button', class: 'open', 'data-act': 'open', 'aria-label': t('card.open', { number }) }, [make('bdi', { text: number })])]),
    make('td', { class: 'placed', text: formats.moment(card.timestamp, now) }),
    make('td', { class: 'customer' }, [make('bdi', { text: plain(card.customerName, 120) || t('card.guest') })]),
    make('td', { class: 'items' }, items),
    make('td', { class: 'number', text: card.total === null ? '–' : formats.money(card.total) }),
    make('td', { class: 'status' }, [tag]),
  ]);
}
