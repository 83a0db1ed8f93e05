/** @import { Desk } from '../desk.js' */
/** @import { Formats } from '../text/format.js' */
import { formatAge } from '../order/age.js';
import { hoursToShow, summarizeDay } from '../order/day.js';
import { numberOf } from '../order/card.js';
import { t } from '../text/index.js';
import { byId, setText } from './dom.js';

const SVG = 'http://www.w3.org/2000/svg';

/** @param {Desk} desk @param {Formats} formats */
export function drawDay(desk, formats) {
  if (!desk.complete) return drawLoading();
  const now = desk.now();
  const day = summarizeDay(desk.cards(), now, desk.state.window);
  setText(byId('day-orders'), formats.number(day.orders));
  setText(byId('day-revenue'), formats.money(day.revenue));
  setText(byId('day-average'), day.average === null ? '–' : formats.money(day.average));
  const oldest = byId('day-oldest');
  setText(oldest, day.oldestOpen ? formatAge(now - day.oldestOpen.timestamp) : t('day.none'));
  oldest.title = day.oldestOpen ? numberOf(day.oldestOpen) : '';
  const notes = [];
  if (day.cancelled > 0) notes.push(t('day.cancelled', { n: day.cancelled }));
  if (!day.complete) notes.push(t('day.partial', { n: desk.state.window }));
  setText(byId('day-note'), notes.join(' · '));
  drawChart(day.perHour, new Date(now).getHours(), formats);
  drawUsage(desk, formats);
}

/** Shown while only a part of the orders is here, which would give wrong figures. */
function drawLoading() {
  for (const figure of ['orders', 'revenue', 'average', 'oldest']) setText(byId(`day-${figure}`), '…');
  setText(byId('day-note'), t('loading.rest'));
}

/** @param {Desk} desk @param {Formats} formats */
function drawUsage({ state, status }, formats) {
  const usage = status.usage ?? state.usage;
  if (!usage) return;
  const reads = t('day.usage', { reads: formats.number(usage.reads), limit: formats.number(usage.readLimit) });
  const writes = t('day.usage.writes', { writes: formats.number(usage.writes), limit: formats.number(usage.writeLimit) });
  setText(byId('day-usage'), `${reads} · ${writes}`);
}

let drawn = '';

/** @param {number[]} perHour @param {number} hour @param {Formats} formats */
function drawChart(perHour, hour, formats) {
  const state = `${perHour} ${hour}`;
  if (state === drawn) return;
  drawn = state;
  const chart = byId('day-chart', SVGSVGElement);
  const { from, to } = hoursToShow(perHour, hour);
  const most = Math.max(...perHour);
  const step = 240 / (to - from + 1);
  const bars = [];
  for (let at = from; at <= to; at++) {
    const height = most > 0 ? Math.round((perHour[at] / most) * 42) : 0;
    const bar = document.createElementNS(SVG, 'rect');
    const size = { x: (at - from) * step + step * 0.12, y: 44 - Math.max(height, 2), width: step * 0.76, height: Math.max(height, 2), rx: 1.5 };
    for (const [name, value] of Object.entries(size)) bar.setAttribute(name, String(value));
    bar.setAttribute('class', perHour[at] === 0 ? 'none' : at === hour ? 'now' : '');
    const title = document.createElementNS(SVG, 'title');
    title.textContent = t('day.bar', { hour: formats.hour(at), n: perHour[at] });
    bar.append(title);
    bars.push(bar);
  }
  chart.replaceChildren(...bars);
  setText(byId('day-hours'), t('day.hours', { from: formats.hour(from), to: formats.hour(to + 1) }));
  const peak = perHour.indexOf(most);
  chart.setAttribute('aria-label', most > 0 ? t('day.chart', { hour: formats.hour(peak), n: most }) : t('day.chart.empty'));
}
