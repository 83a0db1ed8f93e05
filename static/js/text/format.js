import { quantity, t } from './index.js';
import { formatAge } from '../order/age.js';

/** Where times are written with 24 hours, but the browsers' data (CLDR 47) has 12. */
const DAY_OF_24 = /-(?:DZ|TN)$/;

/**
 * The locale of the desk: its language with a region. The region is that of the browser if it has the same language, else the
 * currency's country, else that of the browser: a tablet from a shop is often set to "en-US", wherever it is.
 * @param {string} language
 * @param {readonly string[]} accepted the browser's
 * @param {string} currency ISO 4217
 */
export function localeFor(language, accepted, currency) {
  const found = accepted.flatMap((tag) => {
    const [, own, region] = /^([a-z]+)(?:-[A-Z][a-z]{3})?-([A-Z]{2}|\d{3})(?![^-])/.exec(tag) ?? [];
    return region ? [{ own, region }] : [];
  });
  // The euro and the currencies that begin with an X belong to no country.
  const country = /^(?!EU|X)[A-Z]{3}$/.test(currency) ? currency.slice(0, 2) : undefined;
  const region = found.find(({ own }) => own === language)?.region ?? country ?? found[0]?.region;
  const locale = region ? `${language}-${region}` : language;
  return DAY_OF_24.test(locale) ? `${locale}-u-hc-h23` : locale;
}

/**
 * Formats money and times.
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
    /** The beginning of an hour of the day. @param {number} hour 0 to 24 */
    hour: (hour) => clock.format(new Date(2000, 0, 1, hour)),
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
  if (seconds < 60) return quantity(seconds, 'second', 'short');
  return seconds < 3600 ? quantity(Math.floor(seconds / 60), 'minute', 'short') : formatAge(ms);
}
