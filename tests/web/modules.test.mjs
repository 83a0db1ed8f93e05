import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../static/js/', import.meta.url));
const names = readdirSync(root, { recursive: true }).map(String).filter((name) => name.endsWith('.js'));

/** What a module imports, now or later, as code or as a type. @param {string} name */
function imports(name) {
  const code = readFileSync(join(root, name), 'utf8');
  return [...code.matchAll(/(?:from |^import |import\(|new URL\()'(\.[^']+\.js)'/gm)].map(([, path]) => join(name, '..', path));
}

test('no circle of modules', () => {
  const graph = new Map(names.map((name) => [name, imports(name)]));
  /** @type {Set<string>} */
  const done = new Set();
  const visit = (/** @type {string} */ name, /** @type {string[]} */ path) => {
    assert.ok(!path.includes(name), [...path, name].join(' > '));
    if (done.has(name)) return;
    assert.ok(graph.has(name), `${path.at(-1)} imports ${name}, which does not exist`);
    for (const next of graph.get(name) ?? []) visit(next, [...path, name]);
    done.add(name);
  };
  for (const name of names) visit(name, []);
});
