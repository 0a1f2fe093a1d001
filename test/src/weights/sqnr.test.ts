/**
 * Decibels on unit Gaussian weights against reference numbers that were computed elsewhere, within 0.05 dB. Rows have
 * 4096 weights: where one scale serves a row, the largest of 4096 decides, so many rows are taken.
 */
import { describe, expect, it } from 'vitest';
import { schemeOf } from '../../../src/weights/registry.js';
import { distortionOf, measureScheme } from '../../../src/weights/report.js';
import type { SchemeOptions } from '../../../src/weights/scheme.js';
import { paretoqCodes, paretoqInitial, paretoqLevels } from '../../../src/weights/schemes/paretoq.js';
import { gaussianTensor, golden } from './support.js';

type Reference = Readonly<Record<string, number | readonly [number, number]>>;
const reference = golden<Reference>('rtn_gaussian_sqnr');
const rows = gaussianTensor(512, 4096);
const few = { ...rows, shape: [128, 4096], values: rows.values.subarray(0, 128 * 4096) };
const columns = 4096;

const group = (size: number): SchemeOptions =>
  size === columns ? { granularity: 'row' } : { granularity: { group: size } };

type Case = readonly [key: string, scheme: string, options: SchemeOptions];

const integers: readonly Case[] = [2, 3, 4, 8].flatMap((bits) =>
  [32, 64, 128, columns].flatMap((size) => [
    [`int${bits}_sym_g${size}`, `int${bits}`, group(size)] as const,
    [`int${bits}_asym_g${size}`, `int${bits}-asym`, group(size)] as const,
  ]),
);

const others: readonly Case[] = [
  ...[32, 64, 128].map((size) => [`nf4_g${size}`, 'nf4', group(size)] as const),
  ...[32, 64, 128].map((size) => [`fp4_exactscale_g${size}`, 'fp4', group(size)] as const),
  ['fp4_exactscale_row', 'fp4', group(columns)] as const,
  ['fp4_g16', 'fp4', group(16)] as const,
  ['bitnet158_absmean_tensor', 'bitnet', {}] as const,
  ['paretoq_seq2_init_maxabs_row', 'paretoq', { bits: 2, search: false }] as const,
  ['paretoq_seq158_init_maxabs_row', 'paretoq', { bits: 1.58, search: false }] as const,
  ['paretoq_bin_init_l1_row', 'paretoq', { bits: 1 }] as const,
];

describe('signal to noise ratio', () => {
  it.each([...integers, ...others])('%s', (key, name, options) => {
    const tensor = options.granularity !== 'row' && name !== 'paretoq' ? few : rows;
    const { sqnr } = measureScheme(schemeOf(name), tensor, options);
    expect(Math.abs(sqnr - (reference[key] as number)), `${sqnr}`).toBeLessThan(0.05);
  });

  it.each([
    // MXFP4 depends on where the weights lie between powers of two: the reference took a deviation of 0.02.
    ['mxfp4', {}, 18.86, 0.02],
    ['hqq', {}, 21.34, 1],
    ['hqq', { search: false }, 20.99, 1],
  ] as const)('%s %o', (name, options, expected, deviation) => {
    const tensor = { ...few, values: few.values.map((value) => value * deviation) };
    const { sqnr } = measureScheme(schemeOf(name), tensor, options);
    expect(Math.abs(sqnr - expected), `${sqnr}`).toBeLessThan(0.05);
  });

  it('is nearly that of NVFP4 with exact scales', () => {
    const exact = measureScheme(schemeOf('fp4'), few, group(16)).sqnr;
    const { sqnr, bitsPerWeight } = measureScheme(schemeOf('nvfp4'), few);
    expect(exact - sqnr).toBeGreaterThan(0);
    expect(exact - sqnr).toBeLessThan(0.2);
    expect(bitsPerWeight).toBeCloseTo(4.5, 3);
  });
});

describe("ParetoQ's search", () => {
  const cases = [
    ['seq2_best_alpha_over_maxabs', 2],
    ['seq158_best_alpha_over_maxabs', 1.58],
    ['lsq3_best', 3],
    ['lsq4_best', 4],
  ] as const;

  it.each(cases)('%s: finds per row at least what one ratio for all rows gives', (key, bits) => {
    const [expected, ratio] = reference[key] as readonly [number, number];
    const levels = paretoqLevels(bits);
    const codes = new Uint8Array(columns);
    const back = new Float32Array(rows.values.length);
    for (let start = 0; start < back.length; start += columns) {
      const row = rows.values.subarray(start, start + columns);
      const alpha = ratio * paretoqInitial(row, 0, columns, bits);
      paretoqCodes(row, 0, columns, bits, alpha, codes);
      for (let k = 0; k < columns; k++) back[start + k] = levels[codes[k]] * alpha;
    }
    const fixed = distortionOf(rows.values, back).sqnr;
    expect(Math.abs(fixed - expected), `${fixed}`).toBeLessThan(0.05);
    const { sqnr } = measureScheme(schemeOf('paretoq'), rows, { bits });
    expect(sqnr).toBeGreaterThan(fixed);
    expect(sqnr).toBeLessThan(expected + 0.15);
  });
});
