/** @import { Actions } from './actions.js' */
/** @import { Bell } from './alarm/bell.js' */
/** @import { Sound } from './alarm/sound.js' */
/** @import { WakeLock } from './alarm/wake.js' */
/** @import { Card } from './order/card.js' */
/** @import { Desk } from './desk.js' */
/** @import { Prefs } from './prefs.js' */
/** @import { Formats } from './text/format.js' */
/** @import { Board } from './view/board.js' */
/** @import { Filters } from './view/filters.js' */
/** @import { Toasts } from './view/toasts.js' */
import { LANES } from './order/status.js';
import { readPrefs, recall, remember } from './prefs.js';
import { t } from './text/index.js';
import { byId } from './view/dom.js';
import { commandFor, isTyping } from './view/keys.js';
import { applyLook } from './view/look.js';

/**
 * @typedef {object} Room
 * @property {Desk} desk
 * @property {Actions} actions
 * @property {Board} board
 * @property {Filters} filters
 * @property {Toasts} toasts
 * @property {Sound} sound
 * @property {Bell} bell
 * @property {WakeLock} wakeLock
 * @property {Formats} formats
 * @property {(id: string) => void} open
 * @property {(card: Card) => void} print
 * @property {(id: string) => void} reveal
 * @property {() => Prefs} prefs
 * @property {(prefs: Prefs) => void} change
 */

/** Modules that are not needed at first; preloaded, so that they work when the network fails. */
const LATER = {
  account: () => import('./view/account.js'),
  attention: () => import('./alarm/attention.js'),
  detail: () => import('./view/detail.js'),
  download: () => import('./view/download.js'),
  history: () => import('./view/history.js'),
  settings: () => import('./view/settings.js'),
  ticket: () => import('./view/ticket.js'),
  windows: () => import('./view/windows.js'),
};
const LATER_MS = 5000;

/** Handles pointer, keys and menus. @param {Room} room */
export function wireControls(room) {
  wireOrders(room);
  wireShift(room);
  wireMenu(room);
  wireInstall();
  wireKeys(room);
  byId('csv').addEventListener('click', async () => {
    byId('menu').open = false;
    if (!room.desk.complete) return room.toasts.show({ text: t('loading.rest') });
    (await LATER.download()).downloadDay(room.desk);
  });
  setTimeout(() => {
    for (const load of Object.values(LATER)) load().catch(() => {});
    LATER.windows().then(({ dress }) => dress(room.prefs())).catch(() => {});
  }, LATER_MS);
  byId('reload').addEventListener('click', () => location.reload());
  const top = /** @type {HTMLElement} */ (document.querySelector('.top'));
  const measure = () => {
    const height = getComputedStyle(top).position === 'sticky' ? top.offsetHeight : 0;
    document.documentElement.style.setProperty('--top-height', `${height}px`);
  };
  addEventListener('scroll', () => document.documentElement.toggleAttribute('data-scrolled', scrollY > 8), { passive: true });
  new ResizeObserver(measure).observe(top);
  measure();
}

/** @param {Room} room @param {string} act @param {string} id */
function perform({ actions, desk, open, print }, act, id) {
  switch (act) {
    case 'open':
      return open(id);
    case 'next':
      return void actions.advance(id);
    case 'back':
      return void actions.stepBack(id);
    case 'ack':
      return void actions.acknowledge(id);
    case 'print': {
      const card = desk.shown(id);
      if (card) print(card);
      return;
    }
    case 'seen':
      desk.marks.seen(id);
      remember('marks', desk.marks);
      actions.voice.changed();
  }
}

/** @param {Room} room */
function wireOrders(room) {
  const { board } = room;
  const orders = byId('orders');
  let aimed = 0;
  const aim = () => {
    board.look();
    aimed = board.clock();
  };
  orders.addEventListener('pointerdown', aim, { capture: true });
  orders.addEventListener('click', (/** @type {MouseEvent} */ event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const act = target.closest('[data-act]')?.getAttribute('data-act');
    const id = target.closest('[data-id]')?.getAttribute('data-id');
    if (!id) return;
    if (!act) return void (target.closest('tr') && perform(room, 'open', id));
    // A click with a count of 0 comes from the keyboard.
    const { places } = board;
    const meant = event.detail === 0 ? places.isMeant(id, board.clock()) : places.isAimedAt(id, aimed);
    if (act === 'open') perform(room, act, id);
    else performIfMeant(room, act, id, meant);
  });
  const moved = new ResizeObserver(() => board.look());
  for (const above of document.querySelectorAll('.top, .banners, .strip, .filters, .piles, .lane-list')) moved.observe(above);
}

/** @param {Room} room @param {string} act @param {string} id @param {boolean} meant */
function performIfMeant(room, act, id, meant) {
  const { board } = room;
  if (!meant) return board.ignore(id);
  board.places.acted(id, act === 'next' || act === 'back', board.clock());
  perform(room, act, id);
}

/** @param {Room} room */
function wireShift({ actions, bell, sound, wakeLock, toasts, prefs, change, reveal }) {
  const unlock = async () => {
    if (sound.unlocked || !(await sound.unlock())) return;
    wakeLock.set(prefs().stayAwake);
  };
  for (const gesture of ['pointerdown', 'keydown']) addEventListener(gesture, () => void unlock(), { capture: true });
  void unlock();
  byId('start-shift').addEventListener('click', async () => {
    change({ ...prefs(), muted: false, volume: prefs().volume || 0.8 });
    if (!(await sound.unlock())) toasts.show({ kind: 'bad', text: t('settings.silent') });
    else if (bell.waiting.length === 0) sound.ring(false);
    wakeLock.set(prefs().stayAwake);
  });
  byId('mute').addEventListener('click', () => change({ ...prefs(), muted: !prefs().muted }));
  byId('alarm-show').addEventListener('click', () => {
    if (bell.oldest) reveal(bell.oldest.id);
  });
  byId('alarm-snooze').addEventListener('click', () => bell.snooze());
  byId('alarm-ack').addEventListener('click', async () => {
    const failed = await actions.acknowledgeAll(bell.waiting.map((card) => card.id));
    if (failed > 1) toasts.show({ kind: 'bad', text: t('failed.some', { n: failed }) });
    byId('orders').focus({ preventScroll: true });
  });
  addEventListener('storage', (event) => {
    if (event.key === 'orderbell.prefs') change(readPrefs(JSON.stringify(recall('prefs', {}))));
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => applyLook(prefs()));
}

/** @param {Room} room */
function wireMenu(room) {
  const menu = byId('menu');
  menu.addEventListener('click', (/** @type {Event} */ event) => {
    const name = /** @type {HTMLElement} */ (event.target).closest('[data-dialog]')?.getAttribute('data-dialog');
    if (!name) return;
    menu.open = false;
    // A dialog returns the focus to where it was, which must not be an entry of the closed menu.
    menu.querySelector('summary').focus();
    void openWindow(name, room);
  });
  addEventListener('click', (event) => {
    if (menu.open && !menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
  });
  menu.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== 'Escape' || !menu.open) return;
    menu.open = false;
    menu.querySelector('summary').focus();
  });
}

/** @param {string} name @param {Room} room */
async function openWindow(name, room) {
  try {
    await (await LATER.windows()).openWindow(name, room);
  } catch {
    room.toasts.show({ kind: 'bad', text: t('failed.window'), action: { label: t('retry'), run: () => void openWindow(name, room) } });
  }
}

/** Browsers decide when to offer to install the page; the menu keeps the offer. */
function wireInstall() {
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
    byId('menu').open = false;
    entry.hidden = true;
    void offer?.prompt();
  });
}

/** @param {Room} room */
function wireKeys(room) {
  const { actions, board, filters, prefs, change } = room;
  addEventListener('keydown', (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const dialog = document.querySelector('dialog[open]') !== null;
    const onCard = target.classList?.contains('card') ?? false;
    const command = commandFor(event, { typing: isTyping(target), dialog, onCard, enabled: prefs().keys });
    if (event.key === 'Escape' && target.id === 'search') filters.set({ text: '' });
    if (!command) return;
    event.preventDefault();
    const id = document.activeElement?.closest('[data-id]')?.getAttribute('data-id');
    switch (command) {
      case 'next-card':
        return step(board, filters, 1);
      case 'previous-card':
        return step(board, filters, -1);
      case 'undo':
        return void actions.undo();
      case 'search':
        byId('search').focus();
        return byId('search').select();
      case 'view':
        return filters.view(filters.filter.view === 'board' ? 'history' : 'board');
      case 'mute':
        return change({ ...prefs(), muted: !prefs().muted });
      case 'help':
        return void openWindow('keys', room);
      case 'lane-1':
      case 'lane-2':
      case 'lane-3': {
        const lane = LANES[Number(command.at(-1)) - 1];
        filters.view('board');
        board.select(lane);
        const first = byId(`lane-${lane}`).querySelector('.card') ?? byId(`head-${lane}`);
        return first.focus();
      }
      default:
        if (!id) return;
        if (command === 'open' || command === 'print') perform(room, command, id);
        else performIfMeant(room, command === 'advance' ? 'next' : command, id, board.places.isMeant(id, board.clock()));
    }
  });
}

/** @param {Board} board @param {Filters} filters @param {1 | -1} by */
function step(board, filters, by) {
  const places = filters.filter.view === 'board' ? board.inSight() : [...document.querySelectorAll('#history-rows .open')];
  const here = document.activeElement?.closest('[data-id]');
  const at = places.findIndex((place) => place === here || here?.contains(place));
  const next = /** @type {HTMLElement | undefined} */ (places[at < 0 ? (by > 0 ? 0 : places.length - 1) : Math.min(Math.max(at + by, 0), places.length - 1)]);
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
}
