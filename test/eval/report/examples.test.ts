/** Runs the examples in the documentation of eval/report whose result is stated: lines `expression; // => JSON`. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as chart from '../../../eval/report/chart.js';
import * as document from '../../../eval/report/document.js';
import * as facts from '../../../eval/report/facts.js';
import * as markup from '../../../eval/report/markup.js';
import * as numbers from '../../../eval/report/numbers.js';
import * as scales from '../../../eval/report/scales.js';
import { examplesOf, runExample } from '../../examples.js';

const folder = new URL('../../../eval/report/', import.meta.url);
const exported = { ...chart, ...document, ...facts, ...markup, ...numbers, ...scales };
const examples = readdirSync(folder).flatMap((file) =>
  examplesOf(readFileSync(new URL(file, folder), 'utf8')).map((example) => [file, example] as const),
);
const stated = examples.filter(([, example]) => example.includes('// =>'));

describe('examples', () => {
  it('were found', () => {
    expect(stated.length).toBeGreaterThanOrEqual(8);
  });

  it.each(stated)('%s: %s', (_, example) => runExample(example, exported));
});
