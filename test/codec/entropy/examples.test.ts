/**
 * Runs the examples in the documentation of codec/entropy: each `@example` is plain JavaScript over the exports of
 * index.js, and a line `expression; // => JSON` is an assertion.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'vitest';
import { entryCosts } from '../../../codec/entropy/costs.js';
import * as publicNames from '../../../codec/entropy/index.js';
import { examplesOf, runExample } from '../../examples.js';

const folder = new URL('../../../codec/entropy/', import.meta.url);
const source = (name: string) => readFileSync(new URL(name, folder), 'utf8');
const files = readdirSync(folder).filter((name) => /@example/.test(source(name)));

const exported = { ...publicNames, entryCosts };

describe.each(files)('%s', (file) => {
  it.each(examplesOf(source(file)).map((example) => [example]))('%s', (example) => {
    runExample(example, exported);
  });
});
