/** @import { Status } from '../feed/types.js' */
/** @import { Condition } from '../feed/describe.js' */
import { describe, isStale } from '../feed/describe.js';
import { shortAge } from '../text/format.js';
import { t } from '../text/index.js';
import { byId, one, part, setText } from './dom.js';
import { sayNow, sayPolitely } from './say.js';

/** A shorter reconnection shows no banner. */
const GRACE_MS = 4000;

/** Shows the state of the connection: the pill, the banner, and whether the page is out of date. */
export class Connection {
  /** @param {number} heartbeatMs */
  constructor(heartbeatMs) {
    this.heartbeatMs = heartbeatMs;
    /** @type {Condition} */
    this.condition = 'connecting';
    this.since = 0;
    this.told = '';
  }

  /** @param {Status} status @param {number} now monotonic ms */
  draw(status, now) {
    const { condition, ageMs } = describe(status, now, this.heartbeatMs);
    if (condition !== this.condition) this.since = now;
    this.condition = condition;
    const pill = byId('pill');
    pill.dataset.condition = condition;
    setText(byId('pill-word'), t(`pill.${condition}`));
    // "Offline now" would be misleading.
    const age = shortAge(isStale(condition) ? Math.max(ageMs, 2000) : ageMs);
    setText(byId('pill-age'), age === t('pill.now') ? age : t('pill.age', { age }));
    const settled = now - this.since > GRACE_MS || condition === 'ended' || condition === 'away';
    document.body.toggleAttribute('data-stale', isStale(condition) && (settled || condition === 'offline'));
    this.#banner(condition, ageMs, status, settled, now);
    this.#tell(condition, settled);
  }

  /** @param {Condition} condition @param {number} ageMs @param {Status} status @param {boolean} settled @param {number} now */
  #banner(condition, ageMs, status, settled, now) {
    const banner = byId('banner-connection');
    const show = condition === 'offline' || (settled && isStale(condition));
    banner.hidden = !show;
    if (!show) return;
    const since = condition === 'away' ? Math.max(0, now + status.skew - status.source.since) : ageMs;
    banner.dataset.kind = condition === 'offline' || condition === 'ended' ? 'bad' : 'warn';
    setText(part(banner, 'text'), t(`banner.${condition}`, { age: shortAge(Math.max(since, 2000)) }));
    one(banner, 'a').hidden = condition !== 'ended';
  }

  /** @param {Condition} condition @param {boolean} settled */
  #tell(condition, settled) {
    /** @type {Partial<Record<Condition, string>>} */
    const lost = { reconnecting: 'say.lost', offline: 'say.offline', away: 'say.away', ended: 'say.ended' };
    const text = lost[condition];
    if (text && (settled || condition !== 'reconnecting') && this.told !== text) {
      this.told = text;
      sayNow(t(text));
    } else if (this.told && (condition === 'live' || condition === 'polling')) {
      this.told = '';
      sayPolitely(t('say.back'));
    }
  }
}

/** Shows that more orders are open than the desk can hold. @param {{total: number, hidden: number}} open @param {import('../text/format.js').Formats} formats */
export function drawHidden({ total, hidden }, formats) {
  const banner = byId('banner-hidden');
  banner.hidden = !(hidden > 0);
  if (!banner.hidden) setText(part(banner, 'text'), t('banner.hidden', { n: hidden, total: formats.number(total) }));
}
