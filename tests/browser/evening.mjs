/**
 * A made-up evening in a small shop.
 *
 * @typedef {{order: object, status: string, noticed: boolean}} Evening
 */

const PEOPLE = [
  ['Amina Haddad', '+213 555 0101'], ['Lucas Ferrer', '+34 600 555 012'], ['Yuki Tanaka', ''], ['Nadia Benali', '+213 555 0144'],
  ['Tom Okafor', '+44 7700 900123'], ['Lina Meziane', '+213 555 0177'], ['', '+213 555 0190'], ['Omar Khelifi', '+213 555 0102'],
  ['Sofía Álvarez', '+34 600 555 044'], ['Priya Raman', ''], ['عمر بن علي', '+213 555 0161'], ['Jonas Weber', '+49 151 5550 142'],
];

const GOODS = [
  ['Tomatoes, vine', '$2.50'], ['Flatbread', '$1.20'], ['بطاطا', '$1.00'], ['Goat cheese', '$6.40'], ['Olives, green, 250 g', '$3.10'],
  ['Lemons', '$0.60'], ['Orange juice 1 l', '$3.90'], ['Rice, basmati, 2 kg', '$7.80'], ['Eggs (12)', '$4.20'], ['Mint, bunch', '$0.90'],
  ['Chicken, whole', '$11.50'], ['Yoghurt', '$2.20'],
];

const PLACES = ['12 Rue Didouche Mourad, floor 3', '', '4 Market Square', '', '', '88 Harbour Road, behind the bakery', '7 Garden Lane'];

const NOTES = ['', '', 'Please ring twice, the bell is quiet.', '', '', 'No plastic bags', '', 'Ripe tomatoes if you can, it is for sauce tonight.', ''];

const USUAL = ['COMPLETED', 'DELIVERED', 'COMPLETED', 'CANCELLED', 'DELIVERED', 'READY_FOR_PICKUP', 'OUT_FOR_DELIVERY', 'READY_FOR_PICKUP', 'PREPARING_ORDER', 'PREPARING_ORDER', 'CONFIRMED', 'PREPARING_ORDER', 'CONFIRMED', 'PENDING', 'PENDING', 'PENDING'];

const BUSY = ['PREPARING_ORDER', 'PENDING', 'READY_FOR_PICKUP', 'CONFIRMED', 'OUT_FOR_DELIVERY', 'PENDING', 'PREPARING_ORDER'];

/**
 * @param {number} count
 * @param {'usual' | 'busy'} [kind]
 * @returns {Evening[]}
 */
export function eveningOrders(count, kind = 'usual') {
  return Array.from({ length: count }, (_, n) => {
    const [customerName, phone] = PEOPLE[n % PEOPLE.length];
    const items = Array.from({ length: 1 + ((n * 5) % 8) }, (_, at) => {
      const [productName, productPrice] = GOODS[(n * 3 + at * 5) % GOODS.length];
      return { productName, productPrice, quantity: at % 4 === 2 ? 1.5 : 1 + ((n + at) % 3) };
    });
    const totalAmount = items.reduce((sum, { productPrice, quantity }) => sum + Number(productPrice.slice(1)) * quantity, 0);
    const address = PLACES[n % PLACES.length];
    const order = { customerName, phone, items, totalAmount: Math.round(totalAmount * 100) / 100, notes: NOTES[n % NOTES.length], ...(address && { deliveryAddress: address }) };
    const status = kind === 'busy' ? BUSY[n % BUSY.length] : USUAL[n % USUAL.length];
    return { order, status, noticed: status !== 'PENDING' || (kind === 'busy' ? n % 3 > 0 : n === 13) };
  });
}
