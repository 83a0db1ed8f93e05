/** @import { DeskContext } from './context.js' */
import { t } from '../text/index.js';
import { byId } from '../view/dom.js';
import { withRest } from '../view/later.js';

/** @param {DeskContext} context */
export function wireMenu(context) {
  const menu = byId('menu', HTMLDetailsElement);
  const summary = /** @type {HTMLElement} */ (menu.querySelector('summary'));
  menu.addEventListener('click', (event) => {
    const name = /** @type {HTMLElement} */ (event.target).closest('[data-dialog]')?.getAttribute('data-dialog');
    if (!name) return;
    menu.open = false;
    // A dialog returns the focus to where it was, which must not be an entry of the closed menu.
    summary.focus();
    void openWindow(name, context);
  });
  addEventListener('click', (event) => {
    if (menu.open && !menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
  });
  menu.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !menu.open) return;
    menu.open = false;
    summary.focus();
  });
  byId('csv').addEventListener('click', async () => {
    menu.open = false;
    if (!context.desk.complete) return context.toasts.show({ text: t('loading.rest') });
    (await withRest(() => import('../view/download.js'))).downloadDay(context.desk);
  });
  wireInstall(menu);
}

/** Browsers decide when to offer to install the page; the menu keeps the offer. @param {HTMLDetailsElement} menu */
function wireInstall(menu) {
  const entry = byId('install');
  /** @type {any} */
  let offer = null;
  addEventListener('beforeinstallprompt', (event) => {
    event.preventDefault();
    offer = event;
    entry.hidden = false;
  });
  addEventListener('appinstalled', () => {
    entry.hidden = true;
  });
  entry.addEventListener('click', () => {
    menu.open = false;
    entry.hidden = true;
    void offer?.prompt();
  });
}

/** @param {string} name @param {DeskContext} context */
export async function openWindow(name, context) {
  try {
    await (await withRest(() => import('../view/windows.js'))).openWindow(name, context);
  } catch {
    context.toasts.show({ kind: 'bad', text: t('failed.window'), action: { label: t('retry'), run: () => void openWindow(name, context) } });
  }
}
