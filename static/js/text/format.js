import { t } from './index.js';
import { formatAge } from '../order/age.js';

/**
 * Formats money and times in the device's locale.
 * @param {string} locale
 * @param {string} currency ISO 4217; any other text is put beside the number
 */
export function formats(locale, currency) {
  const money = moneyFormat(locale, currency);
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 3 });
  const immense = new Intl.NumberFormat(locale, { notation: 'scientific', maximumFractionDigits: 2 });
  const clock = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' });
  const full = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
  const short = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
  return {
    /** @param {number | null} amount */
    money: (amount) => (amount === null ? '' : money(amount)),
    /** @param {number} value */
    number: (value) => (Math.abs(value) < 1e9 ? number : immense).format(value),
    /** @param {number} ms */
    clock: (ms) => (isTime(ms) ? clock.format(ms) : ''),
    /** @param {number} ms */
    full: (ms) => (isTime(ms) ? full.format(ms) : ''),
    /** The time if it is today, the date otherwise. @param {number} ms @param {number} now */
    moment: (ms, now) => {
      if (!isTime(ms)) return '';
      return new Date(ms).toDateString() === new Date(now).toDateString() ? clock.format(ms) : short.format(ms);
    },
  };
}

/** @typedef {ReturnType<typeof formats>} Formats */

/** @param {string} locale @param {string} currency @returns {(amount: number) => string} */
function moneyFormat(locale, currency) {
  try {
    const format = new Intl.NumberFormat(locale, { style: 'currency', currency });
    return (amount) => format.format(amount);
  } catch {
    const format = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    return (amount) => `${format.format(amount)} ${currency}`.trim();
  }
}

/** @param {number} ms */
function isTime(ms) {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15;
}

/** A short age: in seconds while it is small. @param {number} ms */
export function shortAge(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 2) return t('pill.now');
  return seconds < 60 ? `${seconds} s` : formatAge(ms).replace(/^(\d+):\d\d$/, '$1 min');
}
