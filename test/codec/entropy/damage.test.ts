/** Damaged streams: a typed error or wrong values, never a crash, a hang or a write outside the range. */
import { describe, expect, it } from 'vitest';
import { gaussianTables, RansDecoder, RansEncoder, scaleTable } from '../../../codec/entropy/index.js';
import { FormatError, IntegrityError } from '../../../src/errors.js';
import { Random } from './random.js';

const COUNT = 300;
const tables = gaussianTables(scaleTable());
const random = new Random(11);
const indices = Uint8Array.from({ length: COUNT }, () => random.below(64));
const values = Int32Array.from(indices, () => Math.round(random.normal() * 20));
const encoder = new RansEncoder();
encoder.putIndices(tables, indices, values, 0, COUNT);
const stream = encoder.finish();

/** What decoding does: 'same', 'different' or the class of the error; anything else fails the test. */
function outcome(bytes: Uint8Array, offset = 0, length = bytes.length): string {
  const decoded = new Int32Array(COUNT + 2).fill(123_456_789);
  const padded = new Uint8Array(COUNT + 2);
  padded.set(indices, 1);
  try {
    const decoder = new RansDecoder(bytes, offset, length);
    decoder.getIndices(tables, padded, decoded, 1, COUNT);
    decoder.finish();
  } catch (error) {
    if (error instanceof FormatError) return 'FormatError';
    if (error instanceof IntegrityError) return 'IntegrityError';
    throw error;
  } finally {
    expect([decoded[0], decoded[COUNT + 1]]).toEqual([123_456_789, 123_456_789]);
  }
  return values.every((value, i) => decoded[i + 1] === value) ? 'same' : 'different';
}

describe('damage', () => {
  it('decodes the undamaged stream', () => {
    expect(outcome(stream)).toBe('same');
  });

  it('notices every single flipped bit', () => {
    for (let bit = 0; bit < 8 * stream.length; bit++) {
      const damaged = stream.slice();
      damaged[bit >> 3] ^= 1 << (bit & 7);
      expect(outcome(damaged)).not.toBe('same');
    }
  });

  it('notices every truncation and every appended byte', () => {
    for (let length = 0; length < stream.length; length++) {
      expect(outcome(stream, 0, length)).toMatch(/Error$/);
      expect(outcome(stream, stream.length - length, length)).toMatch(/Error$/);
    }
    expect(outcome(Uint8Array.of(...stream, 0))).toBe('IntegrityError');
  });

  it('survives random bytes, random flips and constant bytes', () => {
    for (let trial = 0; trial < 3000; trial++) {
      const bytes = Uint8Array.from({ length: random.below(600) }, () => random.below(256));
      if (trial % 2 === 0) bytes[0] &= 127;
      outcome(bytes);
      const flipped = stream.slice();
      for (let flips = random.below(8); flips >= 0; flips--) {
        flipped[random.below(flipped.length)] ^= 1 << random.below(8);
      }
      outcome(flipped);
    }
    for (let byte = 0; byte < 256; byte++) outcome(new Uint8Array(1000).fill(byte));
  });
});
