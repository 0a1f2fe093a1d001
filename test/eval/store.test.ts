import { appendFile, mkdir, rm } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { ResultStore } from '../../eval/store.js';
import { UsageError } from '../../src/errors.js';
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

it('names the file that it could not write, and goes on with a line of its own', async () => {
  const file = path('deep', 'results.jsonl');
  const store = await ResultStore.open<number>(file);
  await store.put('a', 1);
  await rm(path('deep'), { recursive: true });
  await expect(store.put('b', 2)).rejects.toThrow(UsageError);
  await expect(store.put('b', 2)).rejects.toThrow(/results\.jsonl: cannot be written: no such file/);
  await mkdir(path('deep'));
  // What is left of a line that a full disk cut short.
  await appendFile(file, '{"key":"b","res');
  await store.put('c', 3);
  expect((await ResultStore.open<number>(file)).get('c')).toBe(3);
});
