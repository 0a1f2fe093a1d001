/**
 * Runs the examples in the documentation of trellis/: each `@example` is plain JavaScript over the exports of index.js
 * and a few inner names, and a line `expression; // => JSON` is an assertion.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { trellisForm } from '../../trellis/butterflies.js';
import * as publicNames from '../../trellis/index.js';

const folder = new URL('../../trellis/', import.meta.url);
const source = (name: string) => readFileSync(new URL(name, folder), 'utf8');
const files = readdirSync(folder).filter((name) => /\.ts$/.test(name) && /@example/.test(source(name)));

const exported = { ...publicNames, trellisForm };

function examplesOf(file: string): string[] {
  return Array.from(source(file).matchAll(/@example\n((?: *\* .*\n)+)/g), (match) =>
    match[1].replace(/^ *\* ?/gm, ''),
  );
}

function run(example: string): void {
  const body = example.replace(
    /^(.+); \/\/ => (.+)$/gm,
    (_, expression, json) => `check(${expression}, ${JSON.stringify(json)});`,
  );
  const check = (value: unknown, json: string) => expect(value).toEqual(JSON.parse(json));
  new Function('check', ...Object.keys(exported), body)(check, ...Object.values(exported));
}

describe.each(files)('%s', (file) => {
  it.each(examplesOf(file).map((example) => [example]))('%s', (example) => {
    run(example);
  });
});
