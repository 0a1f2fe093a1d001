/**
 * Decibels on Gaussian weights against a table of reference numbers that were computed elsewhere, line by line, within
 * 0.05 dB; lines of the table that no scheme here can have are listed with the reason. Rows have 4096 weights: where one
 * scale serves a row, the largest of 4096 decides, so many rows are taken.
 */
import { describe, expect, it } from 'vitest';
import { blockSchemes } from '../../../src/weights/blocks/block-scheme.js';
import { schemeNames, schemeOf } from '../../../src/weights/registry.js';
import { distortionOf, measureScheme } from '../../../src/weights/report.js';
import type { SchemeOptions } from '../../../src/weights/scheme.js';
import { paretoqCodes, paretoqInitial, paretoqLevels } from '../../../src/weights/schemes/paretoq.js';
import { nncodecTrellisLevels } from '../../../src/weights/trellis-coded/nncodec-search.js';
import { dequantizeTrellis } from '../../../trellis/index.js';
import { encodeLevels } from '../../../trellis/stream/levels.js';
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

/** One ratio of scale and initial scale for all rows, the best one; the schemes here search row by row. */
const searched = [
  ['seq2_best_alpha_over_maxabs', 2],
  ['seq158_best_alpha_over_maxabs', 1.58],
  ['lsq3_best', 3],
  ['lsq4_best', 4],
] as const;

/** Block types of GGUF: bits per weight, decibels, and those with an importance of 1 for every weight. */
const blocks: Readonly<Record<string, readonly [bits: number, decibels: number, weighted?: number]>> = {
  q4_0: [4.5, 21.32, 21.77],
  q4_1: [5, 22.14],
  q5_0: [5.5, 27.38],
  q5_1: [6, 28.44],
  q8_0: [8.5, 45.42],
  q2_k: [2.625, 10.55, 11.44],
  q3_k: [3.4375, 16.43, 16.8],
  q4_k: [4.5, 22.93, 23.01],
  q5_k: [5.5, 28.84, 29.03],
  q6_k: [6.5625, 35.01, 35.22],
  tq1_0: [1.6875, 1.85],
  tq2_0: [2.0625, 1.85],
  iq4_nl: [4.5, 22.37],
  iq4_xs: [4.25, 22.3, 22.43],
  mxfp4_gguf: [4.25, 18.86],
  // Scales of blocks are E4M3 without one of the tensor: 19.7 at the deviation that the table has, 20.4 at 1.
  nvfp4_gguf: [4.5, 19.72],
  q1_0: [1.125, 4.43],
  q2_0: [2.25, 2.87],
};

/** Lines of the table that the tests of this file do not have, and why. */
const withoutScheme: Readonly<Record<string, string>> = {
  'IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S':
    "their codebooks are tables of ggml's source; files with them are listed and copied, neither read nor written",
  'Lloyd-Max 1, 2, 3, 4 bits and ternary':
    'the best codebook of a known distribution, a bound of schemes of single weights and none itself',
  'E8P, QTIP HYB':
    'codes that are tables, and at 2 bits above the computed codes of qtip-1mad and qtip-3inst',
  'ECSQ with RDO; TCQ of 4 and 8 states':
    'with the entropy of their levels in place of a stream: npm run bench:trellis measures those',
};

describe('signal to noise ratio', () => {
  it.each([...integers, ...others])('%s', (key, name, options) => {
    const tensor = options.granularity !== 'row' && name !== 'paretoq' ? few : rows;
    const { sqnr } = measureScheme(schemeOf(name), tensor, options);
    expect(Math.abs(sqnr - (reference[key] as number)), `${sqnr}`).toBeLessThan(0.05);
  });

  it('is measured for every number of the reference', () => {
    const tested = [...integers, ...others].map(([key]) => key);
    expect([...tested, ...searched.map(([key]) => key)].sort()).toEqual(Object.keys(reference).sort());
    for (const name of blockSchemes.map((scheme) => scheme.name)) expect(blocks).toHaveProperty(name);
    for (const reason of Object.values(withoutScheme)) expect(reason).not.toBe('');
    for (const name of Object.keys(withoutScheme).flatMap((line) => line.toLowerCase().split(/[,;] /))) {
      expect(schemeNames).not.toContain(name);
    }
  });

  // The deviation of the reference: the block scales of MXFP4 and NVFP4 have a size of their own.
  const small = { ...few, values: few.values.map((value) => 0.02 * value) };

  it.each(Object.entries(blocks))('%s', (name, [bits, decibels, weighted]) => {
    const scheme = schemeOf(name);
    const { sqnr, bitsPerWeight } = measureScheme(scheme, small);
    expect(bitsPerWeight).toBe(bits);
    expect(Math.abs(sqnr - decibels), `${sqnr}`).toBeLessThan(0.05);
    if (weighted === undefined) return;
    const importance = new Float32Array(small.values.length).fill(1);
    const again = measureScheme(scheme, small, { importance }).sqnr;
    expect(Math.abs(again - weighted), `${again}`).toBeLessThan(0.05);
  });

  it.each([
    ['mxfp4', {}, 18.86, small],
    ['hqq', {}, 21.34, few],
    ['hqq', { search: false }, 20.99, few],
  ] as const)('%s %o', (name, options, expected, tensor) => {
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

describe('the gap to the rate-distortion bound', () => {
  const decibelsPerBit = 20 * Math.log10(2);
  const sample = { ...few, shape: [64, 1024], values: few.values.subarray(0, 65536) };

  it.each([2, 3, 4])('of uniform quantization at %i bits is 1.67 dB', (bits) => {
    const { sqnr, bitsPerWeight } = measureScheme(schemeOf('urq'), sample, { bits });
    const gap = decibelsPerBit * bitsPerWeight - sqnr;
    expect(Math.abs(gap - 1.67), `${gap}`).toBeLessThan(0.07);
  });

  it.each([
    [0.59, 1],
    [0.59, 0.5],
    [0.8, 1],
  ])('of the NNCodec encoder at step %f, lambda %f is 1.1 to 1.3 dB', (step, lambda) => {
    const { values } = sample;
    const levels = nncodecTrellisLevels(values, step, lambda);
    const bits = (8 * encodeLevels(levels, { dependent: true }).length) / values.length;
    expect(bits).toBeGreaterThan(1);
    expect(bits).toBeLessThan(2.7);
    const { sqnr } = distortionOf(values, dequantizeTrellis(levels, { step, machine: 'nnc8' }));
    const gap = decibelsPerBit * bits - sqnr;
    expect(gap).toBeGreaterThan(1.05);
    expect(gap).toBeLessThan(1.35);
    const ours = measureScheme(schemeOf('tcq8'), sample, { bits });
    expect(decibelsPerBit * ours.bitsPerWeight - ours.sqnr).toBeLessThan(gap - 0.2);
  });
});

describe("ParetoQ's search", () => {
  it.each(searched)('%s: finds per row at least what one ratio for all rows gives', (key, bits) => {
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
