import { numberOf } from '../order/card.js';
import { t } from '../text/index.js';

/** @import { Card } from '../order/card.js' */

/** Shows waiting orders outside of the page: in title, icon, badge and notification. */
export class Attention {
  /** @param {string} icon address of the plain icon */
  constructor(icon) {
    this.icon = icon;
    this.title = document.title;
    this.count = -1;
    /** @type {Notification | null} */
    this.note = null;
  }

  /** @param {number} count unacknowledged orders */
  show(count) {
    if (count === this.count) return;
    this.count = count;
    document.title = count > 0 ? t('title.waiting', { n: count, title: this.title }) : this.title;
    const link = document.querySelector('link[rel="icon"]');
    link?.setAttribute('href', count > 0 ? badgedIcon(count) : this.icon);
    const able = /** @type {any} */ (navigator);
    if (count > 0) able.setAppBadge?.(count)?.catch?.(() => {});
    else able.clearAppBadge?.()?.catch?.(() => {});
    if (count === 0) this.note?.close();
  }

  /** @param {Card[]} cards @param {(card: Card) => string} line */
  notify(cards, line) {
    if (typeof Notification !== 'function' || Notification.permission !== 'granted' || cards.length === 0) return;
    try {
      const options = { body: cards.slice(0, 4).map(line).join('\n'), tag: 'orderbell-new', renotify: true, icon: this.icon };
      this.note = new Notification(t('notify.title', { n: cards.length, number: numberOf(cards[0]) }), options);
      this.note.onclick = () => {
        window.focus();
        this.note?.close();
      };
    } catch {
      // Chrome on Android allows notifications to service workers only; the alarm and the badge still work.
    }
  }
}

/** @param {number} count */
export function badgedIcon(count) {
  const text = count > 99 ? '99' : String(count);
  const bell = '<path d="M26 14a13 13 0 0 0-13 13v9l-4 7h34l-4-7v-9a13 13 0 0 0-13-13Z" fill="#fff"/><path d="M20 47a6 6 0 0 0 12 0Z" fill="#ffc24d"/>';
  const badge = `<circle cx="44" cy="20" r="20" fill="#c22a10"/><text x="44" y="29" font-family="sans-serif" font-size="${text.length > 1 ? 24 : 29}" font-weight="700" fill="#fff" text-anchor="middle">${text}</text>`;
  return `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect y="4" width="60" height="60" rx="13" fill="#0d6652"/>${bell}${badge}</svg>`)}`;
}
