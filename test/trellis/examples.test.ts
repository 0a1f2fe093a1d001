/**
 * Runs the examples in the documentation of trellis/: each `@example` is plain JavaScript over the exports of index.js
 * and a few inner names, and a line `expression; // => JSON` is an assertion.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'vitest';
import { trellisForm } from '../../trellis/butterflies.js';
import * as publicNames from '../../trellis/index.js';
import * as coderNames from '../../trellis/stream/arithmetic-coder.js';
import * as contextNames from '../../trellis/stream/contexts.js';
import * as streamNames from '../../trellis/stream/index.js';
import { examplesOf, runExample } from '../examples.js';

const folder = new URL('../../trellis/', import.meta.url);
const source = (name: string) => readFileSync(new URL(name, folder), 'utf8');
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
  (name) => /\.ts$/.test(name) && /@example/.test(source(name)),
);

const exported = { ...publicNames, ...streamNames, ...coderNames, ...contextNames, trellisForm };

describe.each(files)('%s', (file) => {
  it.each(examplesOf(source(file)).map((example) => [example]))('%s', (example) => {
    runExample(example, exported);
  });
});
