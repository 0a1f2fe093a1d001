import { appendFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { ResultStore } from '../../eval/store.js';
import { pictureFolder } from './step-codec.js';

const { path } = pictureFolder();

it('has everything again after it was opened again, but a line cut short', async () => {
  const file = path('deep', 'results.jsonl');
  const store = await ResultStore.open<number>(file);
  await store.put('a', 1);
  await store.put('b', 2);
  await store.put('a', 3);
  await appendFile(file, '{"key":"c","resu');
  const again = await ResultStore.open<number>(file);
  expect([again.get('a'), again.get('b'), again.get('c'), again.size]).toEqual([3, 2, undefined, 2]);
  await again.put('c', 4);
  expect((await ResultStore.open<number>(file)).get('c')).toBe(4);
  await again.put('lossless', Number.POSITIVE_INFINITY);
  expect((await ResultStore.open<number>(file)).get('lossless')).toBe(Number.POSITIVE_INFINITY);
  await again.clear();
  expect((await ResultStore.open<number>(file)).size).toBe(0);
});
