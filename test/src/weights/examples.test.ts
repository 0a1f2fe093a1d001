/**
 * Runs those examples in the documentation of src/weights that promise a value (`expression; // => JSON`), over the
 * exports of all its files that have examples.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../src/graph/evaluate.js';
import * as graph from '../../../src/graph/index.js';
import { examplesOf, runExample } from '../../examples.js';

const root = new URL('../../../src/weights/', import.meta.url);
// Kernels in AssemblyScript are no modules of JavaScript.
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.ts') && !name.includes('assembly'),
);
const modules = await Promise.all(files.map((file) => import(new URL(file, root).href)));
const names = Object.assign({ ...graph, evaluate }, ...modules) as Record<string, unknown>;
const examples = files.flatMap((file) =>
  examplesOf(readFileSync(new URL(file, root), 'utf8'))
    .filter((example) => example.includes('// =>'))
    .map((example) => [file, example] as const),
);

describe('examples', () => {
  it('are found', () => {
    expect(new Set(examples.map(([file]) => file)).size).toBeGreaterThan(8);
  });

  it.each(examples)('of %s: %s', (_, example) => {
    runExample(example, names);
  });
});
