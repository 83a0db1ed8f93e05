import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const require = createRequire(new URL('../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');
export const axePath = require.resolve('axe-core/axe.min.js');

export const ADMIN = { email: 'owner@example.com', password: 'a long enough password' };
const TOKEN = 'test-token-0123456789abcdef0123456789abcdef';

/** @returns {Promise<number>} a port that was free a moment ago */
async function freePort() {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (probe.address());
  probe.close();
  await once(probe, 'close');
  return port;
}

/** A line to the server: cut, it refuses connections as an absent network does. */
class Line {
  /** @param {number} target */
  constructor(target) {
    this.target = target;
    this.port = 0;
    /** @type {Set<import('node:net').Socket>} */
    this.sockets = new Set();
    /** @type {import('node:net').Server | null} */
    this.server = null;
  }

  async mend() {
    this.server = createServer((near) => {
      const far = connect(this.target, '127.0.0.1');
      for (const [socket, peer] of [[near, far], [far, near]]) {
        this.sockets.add(socket);
        socket.on('error', () => peer.destroy());
        socket.on('close', () => {
          this.sockets.delete(socket);
          peer.destroy();
        });
        socket.pipe(peer);
      }
    });
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = /** @type {import('node:net').AddressInfo} */ (this.server.address()).port;
  }

  cut() {
    this.server?.close();
    this.server = null;
    for (const socket of this.sockets) socket.destroy();
  }
}

/** A real server on a throw-away store, which can be stopped and started again at the same address. */
export class Server {
  /** @param {Record<string, string>} [settings] */
  static async start(settings = {}) {
    const binary = process.env.ORDERBELL_BIN;
    if (!binary) throw new Error('ORDERBELL_BIN must name the orderbell binary to test');
    const server = new Server(binary, await mkdtemp(join(tmpdir(), 'orderbell-desk-')), settings);
    server.port = await freePort();
    server.line = new Line(server.port);
    await server.up();
    await server.plugIn();
    return server;
  }

  /** @param {string} binary @param {string} folder @param {Record<string, string>} settings */
  constructor(binary, folder, settings) {
    this.binary = binary;
    this.folder = folder;
    this.settings = settings;
    this.port = 0;
    this.line = new Line(0);
    /** @type {import('node:child_process').ChildProcess | null} */
    this.process = null;
  }

  /** Where browsers find it: through a line that can be cut. */
  get address() {
    return `http://127.0.0.1:${this.line.port}`;
  }

  /** Where phones and other devices find it, cut or not. */
  get direct() {
    return `http://127.0.0.1:${this.port}`;
  }

  unplug() {
    this.line.cut();
  }

  plugIn() {
    return this.line.mend();
  }

  async up() {
    const child = spawn(this.binary, ['serve'], {
      env: {
        PATH: process.env.PATH,
        TZ: 'UTC',
        ORDERBELL_SERVER__PORT: String(this.port),
        ORDERBELL_EMBEDDED__PATH: join(this.folder, 'orderbell.db'),
        ORDERBELL_AUTH__ADMIN_EMAIL: ADMIN.email,
        ORDERBELL_AUTH__ADMIN_PASSWORD: ADMIN.password,
        ORDERBELL_AUTH__ADMIN_TOKEN: TOKEN,
        ...this.settings,
      },
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process = child;
    let log = '';
    child.stderr.on('data', (chunk) => (log += chunk));
    const lines = createInterface({ input: child.stdout });
    await new Promise((resolve, reject) => {
      lines.on('line', (line) => {
        log += `${line}\n`;
        if (line.includes('listening on http://')) resolve(undefined);
      });
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${log}`)));
      child.once('error', reject);
    });
  }

  async down() {
    const child = this.process;
    this.process = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  }

  async remove() {
    this.line.cut();
    await this.down();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** @param {object} [order] @returns {Promise<string>} the new order's id */
  async submit(order = {}) {
    const body = { items: [{ productName: 'Tomato', productPrice: '$2.50', quantity: 2 }], totalAmount: 5, customerName: 'Ana', ...order };
    const answer = await fetch(`${this.direct}/api/order/submit`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ userId: 'u1', order: body }),
    });
    if (answer.status !== 200) throw new Error(`submit: ${answer.status} ${await answer.text()}`);
    return (await answer.json()).orderId;
  }

  /** Another device's hand. @param {string} id @param {object} change */
  async update(id, change) {
    const answer = await fetch(`${this.direct}/api/admin/orders/${id}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify(change),
    });
    if (answer.status !== 200) throw new Error(`update: ${answer.status} ${await answer.text()}`);
  }

  /** @param {string} id */
  async order(id) {
    const answer = await fetch(`${this.direct}/api/admin/orders/${id}`, { headers: { authorization: `Bearer ${TOKEN}` } });
    return (await answer.json()).order;
  }

  /** How many streams the server feeds. */
  async streams() {
    const answer = await fetch(`${this.direct}/api/admin/screens`, { headers: { authorization: `Bearer ${TOKEN}` } });
    return (await answer.json()).screens.length;
  }
}

export async function openBrowser() {
  const { ORDERBELL_CHROMIUM: path = '/usr/bin/chromium' } = process.env;
  return chromium.launch({
    executablePath: path,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync', '--autoplay-policy=document-user-activation-required',
    ],
  });
}

/** Counts strikes of the bell: every ring of one tab comes through one compressor. */
function countRings() {
  const make = AudioContext.prototype.createDynamicsCompressor;
  /** @type {any} */ (window).rings = [];
  AudioContext.prototype.createDynamicsCompressor = function () {
    /** @type {any} */ (window).rings.push(Date.now());
    return make.call(this);
  };
}

/**
 * A signed-in device: its own cookies, its own page.
 * @param {import('playwright-core').Browser} browser
 * @param {Server} server
 * @param {import('playwright-core').BrowserContextOptions & {query?: string}} [options]
 */
export async function signIn(browser, server, { query = '', ...options } = {}) {
  const context = await browser.newContext({ locale: 'en-US', timezoneId: 'UTC', viewport: { width: 1280, height: 800 }, ...options });
  await context.addInitScript(countRings);
  const page = await context.newPage();
  /** @type {string[]} */
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.stack ?? String(error)));
  page.on('console', (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) problems.push(message.text());
  });
  await page.goto(`${server.address}/login`);
  await page.fill('#email', ADMIN.email);
  await page.fill('#password', ADMIN.password);
  await Promise.all([page.waitForURL((url) => url.pathname === '/'), page.click('button[type=submit]')]);
  if (query) await page.goto(`${server.address}/${query}`);
  await ready(page);
  return { context, page, problems };
}

/** @param {import('playwright-core').Page} page */
export async function ready(page) {
  await page.waitForSelector('html[data-ready]');
  await condition(page, 'live');
}

/** @param {import('playwright-core').Page} page @param {string} word @param {number} [timeout] */
export async function condition(page, word, timeout = 20_000) {
  await page.waitForSelector(`#pill[data-condition="${word}"]`, { timeout });
}

/** @param {import('playwright-core').Page} page @param {string} id @param {string} [lane] */
export function cardOf(page, id, lane) {
  return page.locator(`${lane ? `[data-list="${lane}"]` : '#board'} .card[data-id="${id}"]`);
}

/** @param {import('playwright-core').Page} page @returns {Promise<number>} */
export function rings(page) {
  return page.evaluate(() => /** @type {any} */ (window).rings.length);
}

/** @param {import('playwright-core').Page} page @param {number} least @param {number} [timeout] */
export async function waitForRings(page, least, timeout = 20_000) {
  await page.waitForFunction((n) => /** @type {any} */ (window).rings.length >= n, least, { timeout });
}
