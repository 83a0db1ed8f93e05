/** @import { DeskContext } from './context.js' */
import { remember } from '../prefs.js';
import { byId } from '../view/dom.js';

/** Handles clicks on orders. @param {DeskContext} context */
export function wireOrders(context) {
  const { board } = context.screen;
  const orders = byId('orders');
  let aimed = 0;
  const aim = () => {
    board.look();
    aimed = board.clock();
  };
  orders.addEventListener('pointerdown', aim, { capture: true });
  orders.addEventListener('click', (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const act = target.closest('[data-act]')?.getAttribute('data-act');
    const id = target.closest('[data-id]')?.getAttribute('data-id');
    if (!id) return;
    if (!act) return void (target.closest('tr') && perform(context, 'open', id));
    // A click with a count of 0 comes from the keyboard.
    const { places } = board;
    const meant = event.detail === 0 ? places.isMeant(id, board.clock()) : places.isAimedAt(id, aimed);
    if (act === 'open') perform(context, act, id);
    else performIfMeant(context, act, id, meant);
  });
  const moved = new ResizeObserver(() => board.look());
  for (const above of document.querySelectorAll('.top, .banners, .strip, .filters, .piles, .lane-list')) moved.observe(above);
}

/** @param {DeskContext} context @param {string} act @param {string} id */
export function perform({ actions, desk, screen }, act, id) {
  switch (act) {
    case 'open':
      return void screen.open(id);
    case 'next':
      return void actions.advance(id);
    case 'back':
      return void actions.stepBack(id);
    case 'ack':
      return void actions.acknowledge(id);
    case 'print': {
      const card = desk.shown(id);
      if (card) void screen.print(card);
      return;
    }
    case 'seen':
      desk.marks.seen(id);
      remember('marks', desk.marks);
      screen.draw();
  }
}

/** @param {DeskContext} context @param {string} act @param {string} id @param {boolean} meant */
export function performIfMeant(context, act, id, meant) {
  const { board } = context.screen;
  if (!meant) return board.ignore(id);
  board.places.acted(id, act === 'next' || act === 'back', board.clock());
  perform(context, act, id);
}
