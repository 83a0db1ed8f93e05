/** @import { DeskContext } from './context.js' */
import { byId } from '../view/dom.js';
import { withRest } from '../view/later.js';
import { wireKeys } from './keys.js';
import { wireMenu } from './menu.js';
import { wireOrders } from './orders.js';
import { wireShift } from './shift.js';

/** Modules that are not needed at first; preloaded, so that they work when the network fails. @type {(() => Promise<unknown>)[]} */
const LATER = [
  () => import('../view/account.js'),
  () => import('../alarm/attention.js'),
  () => import('../view/detail.js'),
  () => import('../view/download.js'),
  () => import('../view/history.js'),
  () => import('../view/settings.js'),
  () => import('../view/ticket.js'),
];
const LATER_MS = 5000;

/** Handles pointer, keys and menus. @param {DeskContext} context */
export function wireControls(context) {
  wireOrders(context);
  wireShift(context);
  wireMenu(context);
  wireKeys(context);
  byId('reload').addEventListener('click', () => location.reload());
  setTimeout(() => {
    for (const load of LATER) withRest(load).catch(() => {});
    import('../view/windows.js').then(({ dress }) => dress(context.device.now)).catch(() => {});
  }, LATER_MS);
  measureTop();
}

/** Tells the style how high the bar at the top is, and whether the page was scrolled. */
function measureTop() {
  const top = /** @type {HTMLElement} */ (document.querySelector('.top'));
  const measure = () => {
    const height = getComputedStyle(top).position === 'sticky' ? top.offsetHeight : 0;
    document.documentElement.style.setProperty('--top-height', `${height}px`);
  };
  addEventListener('scroll', () => document.documentElement.toggleAttribute('data-scrolled', scrollY > 8), { passive: true });
  new ResizeObserver(measure).observe(top);
  measure();
}
