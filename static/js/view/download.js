/** @import { Desk } from '../desk.js' */
import { csvOfDay } from '../order/csv.js';
import { dayOf } from '../order/day.js';

/** @param {Desk} desk */
export function downloadDay(desk) {
  const day = dayOf(desk.now());
  const url = URL.createObjectURL(new Blob([csvOfDay(desk.cards(), day, desk.state.shop.currency)], { type: 'text/csv;charset=utf-8' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `orders-${day}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
