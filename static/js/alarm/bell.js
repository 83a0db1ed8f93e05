/** @import { Desk } from '../desk.js' */
/** @import { Prefs } from '../prefs.js' */
/** @import { Card } from '../order/card.js' */
/** @import { Verdict } from './plan.js' */
/** @import { Sound } from './sound.js' */
/** @import { Gossip } from '../tabs/sounder.js' */
import { Ensemble } from '../tabs/sounder.js';
import { Alarm, waitingOrders } from './plan.js';

/**
 * Rings, in one tab of this browser, for as long as an order waits.
 */
export class Bell {
  /** @param {{desk: Desk, sound: Sound, prefs: () => Prefs, tab: string}} options */
  constructor({ desk, sound, prefs, tab }) {
    this.desk = desk;
    this.sound = sound;
    this.prefs = prefs;
    this.alarm = new Alarm();
    /** @type {Card[]} */
    this.waiting = [];
    const channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel('orderbell-bell') : null;
    this.post = (/** @type {Gossip} */ gossip) => channel?.postMessage(gossip);
    this.ensemble = new Ensemble(tab, Date.now(), this.post);
    if (channel) channel.onmessage = ({ data }) => this.#hear(data);
    this.focusedAt = document.hasFocus() ? Date.now() : 0;
    addEventListener('focus', () => {
      this.focusedAt = Date.now();
    });
    addEventListener('pagehide', () => this.ensemble.leave());
  }

  /** @returns {Verdict} */
  tick() {
    const now = Date.now();
    const { volume, tone, muted } = this.prefs();
    this.sound.volume = volume;
    this.sound.tone = tone;
    const unlocked = this.sound.unlocked && !muted && volume > 0;
    this.ensemble.update({ unlocked, visible: !document.hidden, focusedAt: this.focusedAt }, now);
    this.waiting = waitingOrders(this.desk.cards(), this.desk.now());
    const facts = { now, serverNow: this.desk.now(), waiting: this.waiting, lastRung: this.ensemble.lastRung };
    const verdict = this.alarm.judge(facts);
    if (verdict.ring && unlocked && this.isSounder() && this.sound.ring(verdict.urgent)) {
      this.ensemble.rang(now);
      this.alarm.rang();
    }
    return verdict;
  }

  isChosen() {
    return this.ensemble.isChosen(Date.now());
  }

  isSounder() {
    return this.ensemble.isSounder(Date.now());
  }

  /** Whether a new order would be heard from this browser. */
  audible() {
    return this.ensemble.anyUnlocked(Date.now());
  }

  snooze() {
    const at = Date.now();
    this.alarm.snooze(at);
    this.post({ t: 'snooze', at });
  }

  /** @param {Gossip} gossip */
  #hear(gossip) {
    const now = Date.now();
    this.ensemble.hear(gossip, now);
    if (gossip.t === 'rung') this.alarm.rang();
    if (gossip.t === 'snooze') this.alarm.snooze(gossip.at);
  }
}
