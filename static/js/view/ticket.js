/** @import { Card } from '../order/card.js' */
/** @import { Formats } from '../text/format.js' */
import { isDelivery, numberOf, placeOf, plain } from '../order/card.js';
import { t } from '../text/index.js';
import { byId, make } from './dom.js';

/**
 * Prints one order on a receipt printer.
 * @param {Card} card
 * @param {{formats: Formats, shop: string, paper: number}} how
 */
export function printTicket(card, { formats, shop, paper }) {
  const ticket = byId('ticket');
  ticket.dataset.paper = String(paper);
  ticket.replaceChildren(...ticketParts(card, formats, shop));
  window.print();
}

/** @param {Card} card @param {Formats} formats @param {string} shop */
function ticketParts(card, formats, shop) {
  const items = card.items.slice(0, 200).map((item) =>
    make('tr', {}, [
      make('td', { text: item.quantity === null ? '' : t('card.quantity', { n: formats.number(item.quantity) }) }),
      make('td', {}, [make('bdi', { text: plain(item.name, 200) })]),
      make('td', {}, [make('bdi', { text: plain(item.price, 24) })]),
    ]),
  );
  const more = Math.max(card.items.length - 200, 0) + (card.moreItems ?? 0);
  if (more > 0) items.push(make('tr', {}, [make('td'), make('td', { colspan: '2', text: t('ticket.more', { n: more }) })]));
  const parts = [
    make('h1', {}, [make('bdi', { text: shop })]),
    make('p', { class: 'ticket-number', text: numberOf(card) }),
    make('p', { class: 'ticket-meta', text: `${formats.full(card.timestamp)} · ${t(isDelivery(card) ? 'card.delivery' : 'card.pickup')}` }),
    make('hr'),
    make('table', {}, [make('tbody', {}, items)]),
    make('hr'),
    make('p', { class: 'ticket-total' }, [
      make('span', { text: t('detail.total') }),
      make('span', { text: card.total === null ? t('card.nototal') : formats.money(card.total) }),
    ]),
  ];
  if (card.notes) parts.push(make('p', { class: 'ticket-notes', dir: 'auto', text: plain(card.notes, 1000) }));
  parts.push(make('hr'));
  // Numbers are read from left to right, whatever stands around them.
  for (const [line, dir] of [[plain(card.customerName, 120)], [plain(card.phone, 40), 'ltr'], [placeOf(card)]]) {
    if (line) parts.push(make('p', {}, [make('bdi', { dir, text: line })]));
  }
  return parts;
}
