/** @import { Card } from './order/card.js' */
/** @import { DeskState, Happenings } from './desk.js' */
/** @import { FromHub } from './tabs/hub.js' */
/** @import { Attention } from './alarm/attention.js' */
/** @import { Detail } from './view/detail.js' */
/** @import { History } from './view/history.js' */
/** @import { Piles } from './view/piles.js' */
import { Actions } from './actions.js';
import { Bell } from './alarm/bell.js';
import { Sound } from './alarm/sound.js';
import { startTicker } from './alarm/ticker.js';
import { WakeLock } from './alarm/wake.js';
import { Announcer, conflictText } from './announce.js';
import { allOrders, ordersSince, updateOrder } from './api.js';
import { monotonic, wall } from './clock.js';
import { wireControls } from './controls.js';
import { Desk } from './desk.js';
import { untilDone } from './feed/until-done.js';
import { matcher } from './order/filter.js';
import { numberOf, plain } from './order/card.js';
import { UNDO_MS } from './order/edits.js';
import { readPrefs, recall, remember } from './prefs.js';
import { byOwnClock } from './tabs/follow.js';
import { link } from './tabs/link.js';
import { formats as formatsFor } from './text/format.js';
import { statusName, t } from './text/index.js';
import { drawAlarm, drawSound } from './view/alarm-bar.js';
import { Board } from './view/board.js';
import { Connection, drawHidden } from './view/connection.js';
import { drawDay } from './view/day.js';
import { translate } from './view/dom.js';
import { Filters } from './view/filters.js';
import { applyLook } from './view/look.js';
import { Toasts } from './view/toasts.js';

/** @type {DeskState} */
const state = JSON.parse(document.body.dataset.desk ?? '');
document.body.removeAttribute('data-desk');
translate(document);

const tab = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
const clock = monotonic;
let prefs = readPrefs(JSON.stringify(recall('prefs', {})));
applyLook(prefs);

const formats = formatsFor(navigator.language, state.shop.currency);
const desk = new Desk(state, { clock, marks: recall('marks', {}), seen: recall('seen', '') });
const sound = new Sound();
const wakeLock = new WakeLock();
// The number changes with the messages' format: tabs of earlier versions use another channel.
const tower = typeof BroadcastChannel === 'function' ? new BroadcastChannel('orderbell-bell-2') : null;
const bell = new Bell({
  desk, sound, prefs: () => prefs, tab, clock, wall, focused: document.hasFocus(), post: (gossip) => tower?.postMessage(gossip),
});
if (tower) tower.onmessage = ({ data }) => bell.hear(data);
const toasts = new Toasts(clock);
const board = new Board(clock, () => filters.view('board'));
const connection = new Connection(state.heartbeatSeconds * 1000);
const filters = new Filters(() => draw());
const announcer = new Announcer({ toasts, formats, show: reveal });

/** @type {Set<string>} orders that came in while this page was open: they are highlighted */
const arrived = new Set();
/** @type {Set<string>} new orders that still have to be printed */
const toPrint = new Set();
/** @type {Set<string>} new orders that still need a notification */
const toNotify = new Set();

const actions = new Actions(desk, updateOrder, {
  changed: () => draw(),
  moved: (move) => announcer.moved(move, () => void actions.undo(move.id), UNDO_MS),
  undone: (move) => toasts.show({ text: t('undo.done', { number: move.number, status: statusName(move.from) }), key: `move ${move.id}`, ms: 3000 }),
  conflict: (card, now) => {
    toasts.close(`move ${card.id}`);
    announcer.problem(conflictText(card, now));
  },
  failed: (card, answer, again) => {
    toasts.close(`move ${card.id}`);
    const number = numberOf(card);
    if (answer.status === 404) return announcer.problem(t('failed.gone', { number }));
    const text = answer.status === 0 ? t('failed.offline', { number }) : t('failed', { number, message: plain(answer.message, 200) || String(answer.status) });
    announcer.problem(text, { label: t('retry'), run: again });
  },
  // The session has ended. The stream reconnects and finds out, so that every tab gets it.
  ended: () => line.post({ t: 'wake', tab, reason: 'online' }),
});
/** @type {Detail | null} */
let detail = null;
/** @type {History | null} */
let history = null;
/** @type {Piles | null} */
let piles = null;
/** @type {Attention | null} */
let attention = null;

/** @param {string} id */
async function open(id) {
  try {
    const [{ Detail }, { dress }] = await Promise.all([import('./view/detail.js'), import('./view/windows.js')]);
    await dress(prefs);
    detail ??= new Detail(desk, actions, formats, print);
    detail.open(id);
  } catch {
    announcer.problem(t('detail.failed'), { label: t('retry'), run: () => void open(id) });
  }
}

/** @param {Card} card */
async function print(card) {
  try {
    const { printTicket } = await import('./view/ticket.js');
    printTicket(card, { formats, shop: state.shop.name, paper: prefs.paper });
  } catch {
    announcer.problem(t('print.failed', { number: numberOf(card) }), { label: t('retry'), run: () => void print(card) });
  }
}

/** @param {string} id */
function reveal(id) {
  const isFolded = desk.floods.isFolded(id);
  if (filters.narrow) filters.clear();
  filters.view('board');
  drawNow();
  if (isFolded) board.revealFloods();
  else board.reveal(id, true);
}

// Drawing: at most once a frame, and not while the page is hidden.
let drawing = 0;

function draw() {
  if (drawing || document.hidden) return;
  drawing = requestAnimationFrame(drawNow);
}

function drawNow() {
  cancelAnimationFrame(drawing);
  drawing = 0;
  const now = desk.now();
  desk.floods.update(desk.cards());
  const matches = matcher(filters.effective, now);
  const list = desk.list().filter(({ card }) => matches(card));
  const how = { formats, prefs, now, narrow: filters.narrow, complete: desk.complete };
  const onBoard = filters.filter.view === 'board';
  // A search also finds orders of floods.
  const isFolded = (/** @type {string} */ id) => !filters.narrow && desk.floods.isFolded(id);
  board.draw(list, { ...how, arrived, isFolded, isHeld: (id) => desk.book.get(id) !== null });
  if (!onBoard) void drawHistory(list, how);
  filters.count(onBoard ? board.shown.length : list.length, desk.complete);
  drawDay(desk, formats);
  detail?.draw();
  const old = desk.longOpen();
  if (piles || old.length > 0 || desk.floods.list.length > 0) void drawPiles(old);
}

/** @param {string[]} old forgotten orders */
async function drawPiles(old) {
  try {
    const { Piles } = await import('./view/piles.js');
    piles ??= new Piles({ desk, actions, filters, toasts, clock, changed: () => draw() });
    piles.draw(desk.floods.list, old);
  } catch {
    // Show every order by itself; the next drawing tries again.
    desk.floods.unfold();
  }
}

/** @param {import('./desk.js').Shown[]} list @param {Parameters<History['draw']>[1]} how */
async function drawHistory(list, how) {
  try {
    history ??= new (await import('./view/history.js')).History();
    history.draw(list, how);
  } catch {
    announcer.problem(t('history.failed'), { label: t('retry'), run: () => draw() });
  }
}

/** @param {Happenings} happenings */
function digest(happenings) {
  if (happenings.gap) catchUp();
  // Most of them were highlighted long ago.
  if (arrived.size > state.window) arrived.clear();
  for (const card of [...happenings.arrived, ...happenings.missed]) {
    arrived.add(card.id);
    if (prefs.autoPrint) toPrint.add(card.id);
  }
  announcer.tell(happenings);
  announcer.tellFloods(desk.floods);
  if (document.hidden && prefs.notify) for (const { id } of happenings.arrived) toNotify.add(id);
  if (happenings.marked.length > 0) remember('marks', desk.marks);
  tick();
  draw();
}

const fetchAll = () => allOrders(state.limit ?? state.window);
/** Fetches what this tab has missed of the stream. A page from before the first snapshot has no cursor. */
const catchUp = untilDone(
  () => (desk.follower.cursor ? ordersSince(desk.follower.cursor) : fetchAll()),
  (body) => digest(desk.caughtUp(body)),
);
/** Fetches the orders that the page left out. */
const fetchRest = untilDone(fetchAll, (body) => digest(desk.fill(body)));

/** @param {FromHub} message */
function hear(message) {
  switch (message.t) {
    case 'welcome':
      desk.status = byOwnClock(message.status, message.at, clock());
      if (desk.follower.isBehind(message.cursor)) catchUp();
      return drawStatus();
    case 'status':
      desk.status = byOwnClock(message.status, message.at, clock());
      return drawStatus();
    case 'pulse':
      // The hub's clock and this tab's drift apart when either of them sleeps.
      if (message.at) desk.status = byOwnClock(desk.status, message.at, clock());
      return;
    case 'news':
      digest(desk.hear(message.news));
      if (message.news.type === 'cards') remember('seen', desk.follower.cursor);
  }
}

function drawStatus() {
  connection.draw(desk.status, clock());
  drawHidden(desk.open, formats);
  const { assets } = desk.status;
  /** @type {any} */ (document.getElementById('banner-version')).hidden = !assets || assets === document.body.dataset.assets;
}

const line = link({
  hello: () => ({
    t: 'hello',
    tab,
    cursor: desk.follower.cursor,
    serverTime: desk.now(),
    source: desk.status.source,
    heartbeatMs: state.heartbeatSeconds * 1000,
    retryMs: state.retryMs ?? 2000,
    limit: state.limit ?? state.window,
    name: '',
  }),
  hear,
  force: new URLSearchParams(location.search).get('share') ?? undefined,
});

function tick() {
  const verdict = bell.tick(!document.hidden);
  drawAlarm(verdict);
  drawSound({ audible: bell.audible(), muted: prefs.muted });
  attract(verdict.waiting).catch(() => {});
  handOut();
}

/** Shows waiting orders outside of the page; the next tick repeats a failed import. @param {number} waiting */
async function attract(waiting) {
  if (!attention && waiting === 0) return;
  const { Attention } = await import('./alarm/attention.js');
  attention ??= new Attention(document.querySelector('link[rel="icon"]')?.getAttribute('href') ?? '');
  attention.show(bell.entries.length);
}

/** Prints and notifies, if this tab is the one that rings. */
function handOut() {
  // Orders of a flood are neither printed nor notified.
  for (const wanted of [toNotify, toPrint]) for (const id of wanted) if (desk.floods.of(id)) wanted.delete(id);
  if (bell.isChosen() && !bell.isSounder()) return;
  const mine = bell.isSounder();
  const news = attention || toNotify.size === 0 ? [...toNotify].flatMap((id) => desk.shown(id) ?? []) : [];
  if (attention) toNotify.clear();
  if (mine && document.hidden) attention?.notify(news, (card) => announcer.line(card));
  for (const id of toPrint) {
    const card = desk.shown(id);
    if (mine && card?.partial) continue;
    toPrint.delete(id);
    if (mine && card) print(card);
  }
}

startTicker(() => {
  line.check(clock());
  if (desk.floods.undecided.size > 0) digest(desk.overdue());
  tick();
  toasts.tick();
  drawStatus();
  if (document.hidden) return;
  board.age(desk.now(), prefs);
  board.look();
  drawDay(desk, formats);
});

addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  line.post({ t: 'wake', tab, reason: 'visible' });
  draw();
});
addEventListener('online', () => line.post({ t: 'wake', tab, reason: 'online' }));
addEventListener('offline', () => line.post({ t: 'offline', tab }));
addEventListener('focus', () => bell.ensemble.focus());
addEventListener('pagehide', (event) => {
  bell.ensemble.leave();
  if (!event.persisted) line.close();
});
addEventListener('pageshow', (event) => {
  // The page comes from the browser's back/forward cache, and its list is out of date.
  if (event.persisted) location.reload();
});

wireControls({
  desk, actions, board, filters, toasts, sound, bell, wakeLock, formats, open, print, reveal,
  prefs: () => prefs,
  /** @param {import('./prefs.js').Prefs} next */
  change(next) {
    prefs = next;
    remember('prefs', prefs);
    applyLook(prefs);
    wakeLock.set(prefs.stayAwake && sound.unlocked);
    tick();
    draw();
  },
});
announcer.tellMissed(desk.missedAtStart.filter(({ id }) => desk.floods.of(id) === null));
announcer.tellFloods(desk.floods);
remember('seen', desk.follower.cursor);
drawNow();
tick();
drawStatus();
document.documentElement.dataset.ready = '';
// After the first paint; a hidden tab has none, and fetches at once.
if (!desk.complete) {
  if (document.hidden) fetchRest();
  else requestAnimationFrame(() => setTimeout(fetchRest));
}
