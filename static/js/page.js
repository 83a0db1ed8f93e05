/** @import { DeskState } from './desk.js' */
import { useStatuses } from './order/status.js';
import { localeFor } from './text/format.js';
import { useTexts } from './text/index.js';

/** Reads what the server wrote into the page: statuses and texts go to their modules. @returns {DeskState} */
export function readPage() {
  const { state, ...table } = read('page-data');
  useStatuses(table);
  const { lang, dir } = document.documentElement;
  useTexts(read('texts'), localeFor(lang, navigator.languages, state.shop.currency), dir === 'rtl');
  return state;
}

/** @param {string} id @returns {any} */
function read(id) {
  return JSON.parse(document.getElementById(id)?.textContent ?? '');
}
