/** @import { Desk } from '../desk.js' */
/** @import { Formats } from '../text/format.js' */
import { call } from '../api.js';
import { plain } from '../order/card.js';
import { isolate, refusal, t } from '../text/index.js';
import { byId, make, setAttribute } from './dom.js';

/**
 * Shows the sessions of this account.
 * @param {Desk} desk
 * @param {Formats} formats
 */
export function wireAccount(desk, formats) {
  const { admin, version } = desk.state;
  byId('account-who').textContent = t('account.signedin', { name: admin.name ? `${plain(admin.name, 80)} (${plain(admin.email, 120)})` : plain(admin.email, 120) });
  byId('account-version').textContent = t('account.version', { version });
  byId('password-user', HTMLInputElement).value = admin.email;
  byId('revoke').addEventListener('click', () => void revoke());
  const form = byId('password-form', HTMLFormElement);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void changePassword(form);
  });

  async function fill() {
    await Promise.all([screens(), sessions()]);
  }

  async function screens() {
    const { body } = await call('GET', '/api/admin/screens');
    const list = byId('screens');
    if (!Array.isArray(body?.screens)) return list.replaceChildren(make('li', { text: t('account.failed') }));
    const rows = body.screens.map((/** @type {any} */ screen) => {
      const delivered = screen.lastDelivered ? formats.moment(screen.lastDelivered, desk.now()) : t('account.screen.never');
      const facts = t('account.screen', { admin: plain(screen.admin, 80), since: formats.moment(screen.since, desk.now()), delivered });
      return entry(plain(screen.name, 80), screen.current ? t('account.screen.this') : '', `${facts}${screen.address ? ` · ${isolate(plain(screen.address, 60))}` : ''}`);
    });
    list.replaceChildren(...(rows.length > 0 ? rows : [make('li', { text: t('account.screens.none') })]));
  }

  async function sessions() {
    const { body } = await call('GET', '/api/admin/sessions');
    const list = byId('sessions');
    if (!Array.isArray(body?.sessions)) return list.replaceChildren(make('li', { text: t('account.failed') }));
    byId('revoke', HTMLButtonElement).disabled = body.sessions.length < 2;
    list.replaceChildren(
      ...body.sessions.map((/** @type {any} */ session) => {
        const facts = { since: formats.moment(session.createdAt, desk.now()), seen: formats.moment(session.lastSeenAt, desk.now()) };
        const tags = [session.current ? t('account.session.this') : '', session.kind === 'api' ? t('account.session.api') : ''];
        return entry(plain(session.name, 80), tags.filter(Boolean).join(' · '), t('account.session', facts));
      }),
    );
  }

  async function revoke() {
    const answer = await call('POST', '/api/admin/sessions/revoke-others', {});
    const good = answer.status === 200;
    show('revoke-result', good, good ? t('account.revoked', { n: answer.body?.ended ?? 0 }) : answer.status ? refusal(answer) : t('account.failed'));
    await fill();
  }

  return { fill };
}

/** @param {string} name @param {string} tag @param {string} facts */
function entry(name, tag, facts) {
  const title = make('span', {}, [make('bdi', { text: name || '–' })]);
  if (tag) title.append(make('span', { class: 'tag', text: tag }));
  return make('li', {}, [title, make('small', { text: facts })]);
}

/** Messages for the fields that the server refuses. @type {Record<string, string>} */
const REFUSED = { current: 'account.refused.current', new: 'account.refused.new' };

/** @param {HTMLFormElement} form */
async function changePassword(form) {
  const data = new FormData(form);
  const answer = await call('POST', '/api/admin/password', { current: data.get('current'), new: data.get('new') });
  const good = answer.status === 200;
  if (good) form.reset();
  const refused = answer.body?.details?.[0]?.field;
  for (const name of Object.keys(REFUSED)) {
    const input = byId(`pw-${name}`);
    setAttribute(input, 'aria-invalid', name === refused ? 'true' : null);
    if (name === refused) input.focus();
  }
  const why = Object.hasOwn(REFUSED, refused) ? t(REFUSED[refused]) : answer.status ? refusal(answer) : t('account.failed');
  show('password-result', good, good ? t('account.changed') : why);
}

/** @param {string} id @param {boolean} good @param {string} text */
function show(id, good, text) {
  const output = byId(id);
  output.dataset.kind = good ? 'good' : 'bad';
  output.textContent = text;
}
