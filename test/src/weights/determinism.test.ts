/**
 * Packed bytes are the same on every machine: SHA-256 of the packed form of weights that only integers and one product made.
 * To make the record again after a wanted change: GOLDEN_UPDATE=1 npx vitest run test/src/weights/determinism.test.ts
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { schemeOf, schemes } from '../../../src/weights/registry.js';
import type { SchemeOptions } from '../../../src/weights/scheme.js';
import { congruential, golden } from './support.js';

/** Sums of twelve uniform numbers: no logarithm, no cosine. */
function sums(count: number): Float32Array {
  const uniform = congruential(1);
  return Float32Array.from({ length: count }, () => {
    let sum = -6;
    for (let k = 0; k < 12; k++) sum += uniform();
    return sum * 0.0625;
  });
}

const tensor = { name: 'w', shape: [24, 96], values: sums(24 * 96) };
const hessian = Float32Array.from(
  { length: 96 * 96 },
  (_, i) => 1 / (1 + Math.abs(((i / 96) | 0) - (i % 96))),
);

function checksum(name: string, bits: number): string {
  const scheme = schemeOf(name);
  const options: SchemeOptions = { bits, ...(scheme.calibrated ? { hessian } : {}) };
  return createHash('sha256')
    .update(scheme.pack(scheme.quantize(tensor, options)))
    .digest('hex');
}

if (process.env.GOLDEN_UPDATE === '1') {
  const record = Object.fromEntries(
    schemes.flatMap(({ name, bitWidths }) =>
      bitWidths.map((bits) => [`${name}:${bits}`, checksum(name, bits)]),
    ),
  );
  const url = new URL('../../golden/weights/checksums.json', import.meta.url);
  writeFileSync(url, `${JSON.stringify(record, undefined, 2)}\n`);
}

const checksums = Object.entries(golden<Record<string, string>>('checksums'));

describe('packed weights', () => {
  it('are on record', () => {
    expect(checksums.length).toBeGreaterThan(40);
  });

  it.each(checksums)('%s are the recorded bytes', (key, expected) => {
    const [name, bits] = key.split(':');
    expect(checksum(name, Number(bits))).toBe(expected);
  });
});
