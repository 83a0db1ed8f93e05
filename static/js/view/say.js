import { byId, make } from './dom.js';

const KEPT = 5;

/** Announces a sentence to screen readers when they are idle. @param {string} text */
export function sayPolitely(text) {
  speak(byId('say-polite'), text);
}

/** Announces a sentence to screen readers at once. @param {string} text */
export function sayNow(text) {
  speak(byId('say-now'), text);
}

/** @param {HTMLElement} region @param {string} text */
function speak(region, text) {
  region.append(make('p', { text }));
  while (region.children.length > KEPT) region.firstElementChild?.remove();
}
