/**
 * An order as the server sends it to the desk.
 *
 * @typedef {{name: string, quantity: number | null, price: string}} Item
 *
 * @typedef {object} Card
 * @property {string} id
 * @property {string} orderId
 * @property {string} position          cursor of its last change
 * @property {number} createdAt         store commit time, ms
 * @property {number} updatedAt         store commit time, ms
 * @property {number} timestamp         when it was placed, ms
 * @property {string} status
 * @property {boolean} acknowledged
 * @property {number | null} acknowledgedAt
 * @property {string | null} acknowledgedBy
 * @property {string | null} changedBy    who has set the status, if that is certain
 * @property {boolean} [changedElsewhere]  another program has set the status, or may have
 * @property {string} customerName
 * @property {string} phone
 * @property {string} email
 * @property {number | null} total
 * @property {number} itemCount
 * @property {Item[]} items             the first ones
 * @property {number} [moreItems]       how many the order has beyond those
 * @property {string} [source]          a keyed hash of the address that it was submitted from
 * @property {string} notes
 * @property {string} address
 * @property {{latitude: number, longitude: number} | null} location
 * @property {number} [readyAt]         when it will be ready, ms
 * @property {string} [cancelReason]
 * @property {string} [cancelNote]      shortened
 * @property {string} [staffNote]       shortened
 * @property {string} [driverName]
 * @property {number[]} [itemsDone]     indexes of `items` that are ticked off
 * @property {boolean} [partial]        known from a stream event only; the details follow
 *
 * @typedef {object} Summary            what a stream event carries
 * @property {string} id
 * @property {string} [orderId]
 * @property {number | null} [totalAmount]
 * @property {string} [status]
 * @property {number} [timestamp]
 * @property {string} [customerName]
 * @property {number} [itemCount]
 */

// C0/C1 controls except tab and newline, bidi embeddings, overrides and isolates, other invisible characters.
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/**
 * Text from an order, safe to put beside other text: no control or direction characters, bounded length.
 * @param {unknown} value
 * @param {number} [limit]
 */
export function plain(value, limit = 2000) {
  if (value === null || value === undefined) return '';
  const text = (typeof value === 'string' ? value : String(value)).slice(0, limit * 2).replace(UNPRINTABLE, '').trim();
  if (text.length <= limit) return text;
  return text.slice(0, limit).replace(/[\ud800-\udbff]$/, '').trimEnd() + '…';
}

/** The order's number, as shown. @param {Card} card */
export function numberOf(card) {
  return plain(card.orderId, 40) || plain(card.id, 40);
}

/** @param {Card} card */
export function isDelivery(card) {
  return card.address.trim() !== '' || card.location !== null;
}

/**
 * A `tel:` address, or "" when the text has no usable number.
 * @param {string} phone
 */
export function telephone(phone) {
  const text = plain(phone, 60).replace(/[٠-٩]/g, (digit) => String(digit.charCodeAt(0) - 0x660));
  const digits = text.replace(/[^\d+*#]/g, '').replace(/(?!^)\+/g, '');
  return digits.replace(/\D/g, '').length >= 3 ? `tel:${digits}` : '';
}

/** @param {Card} card */
export function mapLink(card) {
  const place = card.location
    ? `${card.location.latitude},${card.location.longitude}`
    : plain(card.address, 300);
  return place ? `https://www.google.com/maps/search/?api=1&query=${encodeURIComponent(place)}` : '';
}

/** @param {Card} card */
export function placeOf(card) {
  if (card.address.trim() !== '') return plain(card.address, 300);
  if (!card.location) return '';
  return `${card.location.latitude.toFixed(5)}, ${card.location.longitude.toFixed(5)}`;
}

/**
 * What a customer may change after placing the order; the desk's own fields are left out.
 * @param {Card} card
 */
export function contentOf(card) {
  return JSON.stringify([card.customerName, card.phone, card.total, card.items, card.moreItems ?? 0, card.notes, card.address, card.location]);
}

/**
 * A partial card, made from a stream event.
 * @param {Summary} summary
 * @param {string} position
 * @param {number} now server time, ms
 * @returns {Card}
 */
export function cardFromSummary(summary, position, now) {
  const committed = Math.floor(Number(position.split('-', 1)[0]) / 1000) || now;
  return {
    id: summary.id,
    orderId: summary.orderId ?? summary.id,
    position,
    createdAt: committed,
    updatedAt: committed,
    timestamp: Math.min(summary.timestamp ?? committed, committed),
    status: summary.status ?? '',
    acknowledged: false,
    acknowledgedAt: null,
    acknowledgedBy: null,
    changedBy: null,
    customerName: summary.customerName ?? '',
    phone: '',
    email: '',
    total: summary.totalAmount ?? null,
    itemCount: summary.itemCount ?? 0,
    items: [],
    notes: '',
    address: '',
    location: null,
    partial: true,
  };
}
