/** @import { Happenings } from './desk.js' */
import { Actions } from './actions.js';
import { Alerts } from './alarm/alerts.js';
import { Bell } from './alarm/bell.js';
import { Sound } from './alarm/sound.js';
import { startTicker } from './alarm/ticker.js';
import { WakeLock } from './alarm/wake.js';
import { Announcer } from './announce.js';
import { updateOrder } from './api.js';
import { monotonic, wall } from './clock.js';
import { wireControls } from './controls/index.js';
import { Desk } from './desk.js';
import { Intake } from './intake.js';
import { Outcomes } from './outcomes.js';
import { readPage } from './page.js';
import { DevicePrefs, recall, remember } from './prefs.js';
import { link } from './tabs/link.js';
import { formats as formatsFor } from './text/format.js';
import { locale } from './text/index.js';
import { applyLook } from './view/look.js';
import { Screen } from './view/screen.js';
import { Toasts } from './view/toasts.js';

// Builds the parts of the desk and connects them.

const state = readPage();
const tab = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
const device = new DevicePrefs();
const prefs = () => device.now;
applyLook(prefs());

const formats = formatsFor(locale, state.shop.currency);
const desk = new Desk(state, { clock: monotonic, marks: recall('marks', {}), seen: recall('seen', '') });
const sound = new Sound();
const wakeLock = new WakeLock();

// The number changes with the messages' format: tabs of earlier versions use another channel.
const tower = typeof BroadcastChannel === 'function' ? new BroadcastChannel('orderbell-bell-2') : null;
const bell = new Bell({
  desk, sound, prefs, tab, clock: monotonic, wall, focused: document.hasFocus(), post: (gossip) => tower?.postMessage(gossip),
});
if (tower) tower.onmessage = ({ data }) => bell.hear(data);

const toasts = new Toasts(monotonic);
const announcer = new Announcer({ toasts, formats, show: (id) => screen.reveal(id) });
const outcomes = new Outcomes({
  announcer,
  toasts,
  changed: () => screen.draw(),
  undo: (id) => void actions.undo(id),
  // The session has ended. The stream reconnects and finds out, so that every tab gets it.
  ended: () => line.post({ t: 'wake', tab, reason: 'online' }),
});
const actions = new Actions(desk, updateOrder, outcomes);
const screen = new Screen({ desk, actions, announcer, toasts, formats, prefs });
const alerts = new Alerts({ desk, bell, prefs, print: (card) => void screen.print(card), line: (card) => announcer.line(card) });
const intake = new Intake({ desk, digest, drawStatus: () => screen.drawStatus() });

/** @param {Happenings} happenings */
function digest(happenings) {
  screen.note(happenings);
  alerts.note(happenings);
  announcer.tell(happenings);
  announcer.tellFloods(desk.floods);
  alerts.tick();
  screen.draw();
}

device.changed = (now) => {
  applyLook(now);
  wakeLock.set(now.stayAwake && sound.unlocked);
  alerts.tick();
  screen.draw();
};

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
  hear: (message) => intake.hear(message),
  force: new URLSearchParams(location.search).get('share') ?? undefined,
});

startTicker(() => {
  line.check(monotonic());
  if (desk.floods.undecided.size > 0) intake.take(desk.overdue());
  alerts.tick();
  toasts.tick();
  screen.drawStatus();
  if (!document.hidden) screen.age();
});

addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  line.post({ t: 'wake', tab, reason: 'visible' });
  screen.draw();
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

wireControls({ desk, actions, screen, toasts, sound, bell, wakeLock, formats, device });
announcer.tellMissed(desk.missedAtStart.filter(({ id }) => desk.floods.of(id) === null));
announcer.tellFloods(desk.floods);
remember('seen', desk.follower.cursor);
screen.drawNow();
alerts.tick();
screen.drawStatus();
document.documentElement.dataset.ready = '';
// After the first paint; a hidden tab has none, and fetches at once.
if (!desk.complete) {
  if (document.hidden) intake.fetchRest();
  else requestAnimationFrame(() => setTimeout(intake.fetchRest));
}
