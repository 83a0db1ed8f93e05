/** @import { DeskState } from './desk.js' */
import { useStatuses } from './order/status.js';
import { useTexts } from './text/index.js';

/** Reads what the server wrote into the page: statuses and texts go to their modules. @returns {DeskState} */
export function readPage() {
  const { state, ...table } = read('page-data');
  useStatuses(table);
  useTexts(read('texts'), document.documentElement.lang);
  return state;
}

/** @param {string} id @returns {any} */
function read(id) {
  return JSON.parse(document.getElementById(id)?.textContent ?? '');
}
