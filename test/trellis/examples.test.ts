/**
 * Runs the examples in the documentation of trellis/: each `@example` is plain JavaScript over the exports of index.js
 * and a few inner names, and a line `expression; // => JSON` is an assertion.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'vitest';
import { trellisForm } from '../../trellis/butterflies.js';
import * as publicNames from '../../trellis/index.js';
import { examplesOf, runExample } from '../examples.js';

const folder = new URL('../../trellis/', import.meta.url);
const source = (name: string) => readFileSync(new URL(name, folder), 'utf8');
const files = readdirSync(folder).filter((name) => /\.ts$/.test(name) && /@example/.test(source(name)));

const exported = { ...publicNames, trellisForm };

describe.each(files)('%s', (file) => {
  it.each(examplesOf(source(file)).map((example) => [example]))('%s', (example) => {
    runExample(example, exported);
  });
});
