/** @import { Verdict } from '../alarm/plan.js' */
import { t } from '../text/index.js';
import { byId, part, setText } from './dom.js';

/** @param {Verdict} verdict */
export function drawAlarm({ waiting, urgent, snoozed }) {
  const bar = byId('alarm');
  bar.hidden = waiting === 0;
  bar.toggleAttribute('data-urgent', urgent);
  setText(byId('alarm-text'), waiting === 0 ? '' : t(urgent ? 'alarm.urgent' : 'alarm.waiting', { n: waiting }));
  const snooze = byId('alarm-snooze', HTMLButtonElement);
  snooze.disabled = snoozed;
  setText(snooze, t(snoozed ? 'alarm.snoozed' : 'alarm.snooze'));
}

/** @param {{audible: boolean, muted: boolean}} sound */
export function drawSound({ audible, muted }) {
  const banner = byId('banner-sound');
  banner.hidden = audible;
  setText(part(banner, 'text'), t(muted ? 'banner.muted' : 'banner.sound'));
  setText(byId('start-shift'), t(muted ? 'banner.unmute' : 'banner.start'));
  byId('mute').setAttribute('aria-pressed', String(muted));
}
