import { expect, it } from 'vitest';
import {
  type Container,
  readContainer,
  readInfo,
  tileIsIntact,
  writeContainer,
} from '../../../codec/format/index.js';
import { CodecError } from '../../../src/errors.js';
import { sampleParts, seededNumbers } from './samples.js';

const file = writeContainer(sampleParts());
const other = writeContainer(sampleParts({ width: 200, quality: 7, tileSide: 64 }));

/** One mutation: flipped bits, changed bytes, a cut, or bytes moved in from somewhere else. */
function mutate(bytes: Uint8Array, next: () => number): Uint8Array {
  const copy = bytes.slice();
  const at = () => next() % copy.length;
  switch (next() % 6) {
    case 0:
      for (let n = next() % 4; n >= 0; n--) copy[at()] ^= 1 << (next() % 8);
      return copy;
    case 1:
      for (let n = next() % 8; n >= 0; n--) copy[at()] = next();
      return copy;
    case 2:
      return copy.subarray(0, at());
    case 3: {
      const source = next() % 2 ? other : file;
      const from = next() % source.length;
      return splice(copy, at(), next() % 40, source.subarray(from, from + (next() % 200)));
    }
    case 4:
      return splice(copy, at(), next() % 200, new Uint8Array(0));
    default:
      return splice(
        copy,
        at(),
        0,
        Uint8Array.from({ length: next() % 30 }, () => next()),
      );
  }
}

function splice(bytes: Uint8Array, offset: number, remove: number, insert: Uint8Array): Uint8Array {
  const tail = bytes.subarray(Math.min(bytes.length, offset + remove));
  const result = new Uint8Array(offset + insert.length + tail.length);
  result.set(bytes.subarray(0, offset));
  result.set(insert, offset);
  result.set(tail, offset + insert.length);
  return result;
}

/** What a caller gets to see, without the places in the file. */
function content({ header, tiles, alpha, icc, exif, xmp, text }: Container): unknown {
  return { header, tiles: tiles.map((tile) => tile.segment), alpha, icc, exif, xmp, text };
}

it('gives a typed error or the same content for 5000 damaged files', () => {
  const next = seededNumbers(20260101);
  const expected = content(readContainer(file));
  let accepted = 0;
  for (let round = 0; round < 5000; round++) {
    const damaged = mutate(file, next);
    try {
      const read = readContainer(damaged);
      for (const { segment } of read.tiles) expect(segment.buffer).toBe(damaged.buffer);
      expect(content(read)).toEqual(expected);
      accepted++;
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      expect(error.message).not.toMatch(/\n|undefined|NaN/);
    }
  }
  expect(accepted).toBeLessThan(500);
});

it('tolerates or refuses 5000 damaged files, and never vouches for a damaged tile', () => {
  const next = seededNumbers(20260102);
  const segments = readContainer(file).tiles.map((tile) => tile.segment);
  for (let round = 0; round < 5000; round++) {
    const damaged = mutate(file, next);
    try {
      const info = readInfo(damaged);
      const { tiles } = readContainer(damaged, { damage: 'tolerate' });
      expect(info.status).toBe('ok');
      for (const tile of tiles) if (tileIsIntact(tile)) expect(tile.segment).toEqual(segments[tile.index]);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
    }
  }
});
