/**
 * Chooses the tab of this browser that rings. Every tab sends its facts to the others and all apply the same rule, so no
 * leader is needed.
 *
 * The clocks of two tabs may differ, so no message carries a time: presence counts from when it was received, the last
 * ring is sent as its age, and the order of focus as a number that only grows.
 *
 * @typedef {object} Facts
 * @property {string} tab
 * @property {boolean} unlocked   may play sound
 * @property {boolean} visible
 * @property {number} focus       the tab focused last has the highest, 0 for never
 *
 * @typedef {Facts & {at: number}} Presence   with the own time when it was received
 */

export const PRESENCE_MS = 1000;
export const EXPIRY_MS = 3000;
/** A new tab listens first: otherwise two tabs could ring at once. */
export const SETTLE_MS = 400;
/** A tab that takes over waits until the others know. */
export const HANDOVER_MS = 250;
/** A tab that slept waits for the changes of orders that it missed. */
export const WAKE_MS = 1500;

/**
 * @param {Iterable<Presence>} peers
 * @param {number} now
 * @returns {Presence | null}
 */
export function chooseSounder(peers, now) {
  /** @type {Presence | null} */
  let best = null;
  for (const peer of peers) {
    if (now - peer.at > EXPIRY_MS) continue;
    if (!best || isBetter(peer, best)) best = peer;
  }
  return best;
}

/** @param {Presence} a @param {Presence} b */
function isBetter(a, b) {
  if (a.unlocked !== b.unlocked) return a.unlocked;
  if (a.visible !== b.visible) return a.visible;
  if (a.focus !== b.focus) return a.focus > b.focus;
  return a.tab < b.tab;
}

/**
 * @typedef {{t: 'here', me: Facts, ask: boolean, sinceRung: number} | {t: 'gone', tab: string} | {t: 'rung'}
 *   | {t: 'snooze'}} Gossip
 */

export class Ensemble {
  /**
   * @param {string} tab
   * @param {number} now own monotonic ms, as in the whole class
   * @param {(gossip: Gossip) => void} tell
   * @param {boolean} [focused]
   */
  constructor(tab, now, tell, focused = false) {
    this.tell = tell;
    this.quietUntil = now + SETTLE_MS;
    this.updatedAt = now;
    this.saidAt = now;
    this.lastRung = -Infinity;
    /** The focus to claim when the new tab knows the numbers of the others. */
    this.wantsFocus = focused;
    /** @type {Presence} */
    this.me = { tab, unlocked: false, visible: true, focus: 0, at: now };
    /** @type {Map<string, Presence>} */
    this.peers = new Map([[tab, this.me]]);
    this.say(now, true);
  }

  /** This tab got the focus. */
  focus() {
    this.wantsFocus = true;
  }

  /** Whether this tab was suspended for so long that it may have missed messages. @param {number} now */
  slept(now) {
    return now - this.updatedAt > EXPIRY_MS;
  }

  /** @param {Partial<Pick<Facts, 'unlocked' | 'visible'>>} facts @param {number} now */
  update(facts, now) {
    const me = this.me;
    if (this.slept(now)) this.quietUntil = now + WAKE_MS;
    this.updatedAt = now;
    for (const peer of this.peers.values()) if (peer !== me && now - peer.at > EXPIRY_MS) this.peers.delete(peer.tab);
    const before = JSON.stringify([me.unlocked, me.visible, me.focus]);
    const wasChosen = this.isChosen(now);
    Object.assign(me, facts);
    if (this.wantsFocus && now >= this.quietUntil) {
      this.wantsFocus = false;
      me.focus = 1 + Math.max(...[...this.peers.values()].map((peer) => peer.focus));
    }
    const changed = JSON.stringify([me.unlocked, me.visible, me.focus]) !== before;
    if (!wasChosen && this.isChosen(now)) this.quietUntil = Math.max(this.quietUntil, now + HANDOVER_MS);
    if (changed || now - this.saidAt >= PRESENCE_MS) this.say(now, false);
  }

  /** @param {number} now @param {boolean} ask for an answer */
  say(now, ask) {
    this.saidAt = now;
    this.me.at = now;
    const { tab, unlocked, visible, focus } = this.me;
    this.tell({ t: 'here', me: { tab, unlocked, visible, focus }, ask, sinceRung: now - this.lastRung });
  }

  /** @param {Gossip} gossip @param {number} now */
  hear(gossip, now) {
    if (gossip.t === 'gone') this.peers.delete(gossip.tab);
    else if (gossip.t === 'snooze') return;
    else if (gossip.t === 'rung') this.lastRung = now;
    else {
      this.lastRung = Math.max(this.lastRung, now - gossip.sinceRung);
      this.peers.set(gossip.me.tab, { ...gossip.me, at: now });
      if (gossip.ask) this.say(now, false);
    }
  }

  /** @param {number} now */
  rang(now) {
    this.lastRung = now;
    this.tell({ t: 'rung' });
  }

  leave() {
    this.tell({ t: 'gone', tab: this.me.tab });
  }

  /** Whether this tab is the one to ring, now or after its quiet time. @param {number} now */
  isChosen(now) {
    this.me.at = now;
    return chooseSounder(this.peers.values(), now)?.tab === this.me.tab;
  }

  /** @param {number} now */
  isSounder(now) {
    return now >= this.quietUntil && this.isChosen(now);
  }

  /** Whether any tab of this browser can play sound. @param {number} now */
  anyUnlocked(now) {
    return [...this.peers.values()].some((peer) => peer.unlocked && (peer === this.me || now - peer.at <= EXPIRY_MS));
  }
}
