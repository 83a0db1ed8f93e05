/** @import { Card } from '../order/card.js' */
/** @import { Shown } from '../desk.js' */
/** @import { Formats } from '../text/format.js' */
/** @import { Prefs } from '../prefs.js' */
import { formatAge, urgencyOf } from '../order/age.js';
import { isDelivery, mapLink, numberOf, placeOf, plain, telephone } from '../order/card.js';
import { isKnown, isUntouched, isWaiting, nextStatus, previousStatus } from '../order/status.js';
import { statusName, stepName, t } from '../text/index.js';
import { byId, make, part, setAttribute, setText } from './dom.js';

const ITEMS_SHOWN = 6;

/** @returns {HTMLElement} */
export function blankCard() {
  const card = byId('card-template', HTMLTemplateElement).content.firstElementChild;
  return /** @type {HTMLElement} */ (card?.cloneNode(true));
}

/** @type {WeakMap<Element, string>} what an element shows */
const shownAs = new WeakMap();

/**
 * @param {HTMLElement} element
 * @param {Shown} shown
 * @param {Formats} formats
 */
export function fillCard(element, shown, formats) {
  const { card, mark, lane, pending } = shown;
  const state = [card.position, card.partial, card.status, card.acknowledged, mark?.kind, lane, pending].join(' ');
  if (shownAs.get(element) === state) return;
  shownAs.set(element, state);
  element.dataset.id = card.id;
  element.dataset.lane = lane;
  element.removeAttribute('data-raw');
  element.toggleAttribute('data-waiting', isWaiting(card));
  element.toggleAttribute('data-pending', pending);
  setAttribute(element, 'data-mark', mark?.kind ?? null);
  fillHead(element, card);
  fillMark(element, shown);
  fillCustomer(element, card);
  fillItems(element, card, formats);
  fillFoot(element, shown, formats);
}

/** @param {HTMLElement} element @param {Card} card */
function fillHead(element, card) {
  const number = numberOf(card);
  setText(part(element, 'number'), number);
  element.setAttribute('aria-label', t('detail.title', { number }));
  part(element, 'number').parentElement?.setAttribute('aria-label', t('card.open', { number }));
  const way = card.partial ? '' : t(isDelivery(card) ? 'card.delivery' : 'card.pickup');
  setText(part(element, 'way'), isKnown(card.status) ? way : statusName(plain(card.status, 40)));
}

/** @param {HTMLElement} element @param {Shown} shown */
function fillMark(element, { card, mark }) {
  part(element, 'mark').hidden = !mark;
  if (!mark) return;
  setText(part(element, 'mark-text'), t(`mark.${mark.kind}`));
  element.querySelector('[data-act="seen"]')?.setAttribute('aria-label', t('mark.seen.label', { number: numberOf(card) }));
}

/** @param {HTMLElement} element @param {Card} card */
function fillCustomer(element, card) {
  setText(part(element, 'name'), plain(card.customerName, 120) || t('card.guest'));
  const phone = part(element, 'phone');
  const number = telephone(card.phone);
  phone.hidden = number === '';
  if (number) {
    setAttribute(phone, 'href', number);
    setAttribute(phone, 'aria-label', t('card.call', { phone: plain(card.phone, 40) }));
    setText(part(element, 'phone-text'), plain(card.phone, 40));
  }
  const notes = plain(card.notes, 500);
  part(element, 'notes').hidden = notes === '';
  setText(part(element, 'notes'), notes);
  const place = placeOf(card);
  part(element, 'where').hidden = place === '';
  if (place) setAttribute(part(element, 'map'), 'href', mapLink(card));
  setText(part(element, 'where-text'), place);
}

/** @param {HTMLElement} element @param {Card} card @param {Formats} formats */
function fillItems(element, card, formats) {
  const rows = card.items.slice(0, ITEMS_SHOWN).map((item) => {
    const row = make('li', {}, [
      make('span', { class: 'quantity', text: item.quantity === null ? '' : t('card.quantity', { n: formats.number(item.quantity) }) }),
      make('bdi', { class: 'item-name', text: plain(item.name, 160) }),
    ]);
    if (item.price) row.append(make('bdi', { class: 'item-price', text: plain(item.price, 24) }));
    return row;
  });
  const more = Math.max(card.items.length - ITEMS_SHOWN, 0) + (card.moreItems ?? 0);
  if (more > 0) rows.push(make('li', {}, [make('button', { type: 'button', class: 'more', 'data-act': 'open', text: t('card.more', { n: more }) })]));
  if (rows.length === 0) {
    const text = card.itemCount > 0 ? t('card.items', { n: card.itemCount }) : t(card.partial ? 'card.loading' : 'card.noitems');
    rows.push(make('li', { class: 'note', text }));
  }
  part(element, 'items').replaceChildren(...rows);
}

/** @param {HTMLElement} element @param {Shown} shown @param {Formats} formats */
function fillFoot(element, { card, mark }, formats) {
  setText(part(element, 'total'), card.total === null ? t('card.nototal') : formats.money(card.total));
  const by = byLine(card);
  part(element, 'by').hidden = by === '';
  setText(part(element, 'by'), by);

  const gone = mark?.kind === 'cancelled';
  const number = numberOf(card);
  const next = gone ? null : nextStatus(card);
  const nextButton = part(element, 'next');
  nextButton.hidden = next === null;
  if (next) {
    setText(nextButton, stepName(next));
    setAttribute(nextButton, 'aria-label', `${stepName(next)}: ${number}`);
  }
  const ack = part(element, 'ack');
  ack.hidden = !isWaiting(card);
  setAttribute(ack, 'aria-label', `${t('card.acknowledge')}: ${number}`);
  const previous = gone ? null : previousStatus(card);
  const back = part(element, 'back');
  back.hidden = previous === null;
  if (previous) {
    setAttribute(back, 'aria-label', t('card.back.label', { number, status: statusName(previous) }));
    setAttribute(back, 'title', t('card.back'));
  }
  const print = part(element, 'print');
  setAttribute(print, 'aria-label', `${t('card.print')}: ${number}`);
  setAttribute(print, 'title', t('card.print'));
}

/** The last action and its admin, for a team that shares the screen. @param {Card} card */
export function byLine(card) {
  if (!isUntouched(card)) {
    if (card.changedBy) return t('card.moved', { status: statusName(card.status), name: plain(card.changedBy, 60) });
    if (card.changedElsewhere) return t('card.elsewhere');
  }
  if (!card.acknowledged) return '';
  return card.acknowledgedBy ? t('card.noticed', { name: plain(card.acknowledgedBy, 60) }) : t('card.noticed.nobody');
}

/**
 * Updates the parts that change with time.
 * @param {HTMLElement} element
 * @param {Card} card
 * @param {number} now server time
 * @param {Prefs} prefs
 */
export function fillAge(element, card, now, prefs) {
  const age = Math.max(0, now - card.timestamp);
  const urgency = urgencyOf(age, prefs);
  const box = part(element, 'age');
  setAttribute(box, 'data-urgency', urgency);
  const text = formatAge(age);
  setText(part(element, 'age-text'), urgency === 'fresh' ? text : `${text} ${t(`card.age.${urgency}`)}`);
}
