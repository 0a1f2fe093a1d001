/**
 * Runs those examples in the documentation of eval, src/metrics and datasets that promise a value (`expression; // => JSON`). The others
 * show calls that take files and time; other tests run such calls.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as datasets from '../../datasets/index.js';
import { fillCommand, splitCommand } from '../../eval/command.js';
import * as evaluation from '../../eval/index.js';
import { integral, interpolate, valueAt } from '../../eval/interpolation.js';
import { decodePnm, encodePnm } from '../../eval/pnm.js';
import { seeded } from '../../eval/random.js';
import { granularGain, searchCodes } from '../../eval/trellis-search.js';
import { createImage } from '../../src/io/image.js';
import { examplesOf, runExample } from '../examples.js';

const root = new URL('../../', import.meta.url);
const others = {
  createImage,
  decodePnm,
  encodePnm,
  fillCommand,
  granularGain,
  integral,
  interpolate,
  searchCodes,
  seeded,
  splitCommand,
  valueAt,
};
const names = { ...datasets, ...evaluation, ...others };

const files = ['eval', 'eval/metrics', 'src/metrics', 'datasets'].flatMap((folder) =>
  readdirSync(new URL(folder, root))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`),
);
const examples = files.flatMap((file) =>
  examplesOf(readFileSync(new URL(file, root), 'utf8'))
    .filter((example) => example.includes('// =>'))
    .map((example) => [file, example] as const),
);

describe('examples', () => {
  it('are found', () => {
    expect(new Set(examples.map(([file]) => file)).size).toBeGreaterThan(12);
  });

  it.each(examples)('of %s: %s', (_, example) => {
    runExample(example, names);
  });
});
