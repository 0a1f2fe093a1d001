/**
 * Tables of text for people, and results in the shape that CompressAI's tools read: lists by metric, one entry per point,
 * under `results` with the keys bpp, psnr-rgb, ms-ssim-rgb, encoding_time, decoding_time.
 */
import { CodecError } from '../src/errors.js';
import { type BdPsnr, type BdRate, bdPsnr, bdRate, type RateCurve } from './bd-rate.js';
import type { MeanValues } from './measure.js';
import { msSsimDecibels } from './metrics/ms-ssim.js';

/**
 * Rows as text in columns; numbers and all but the first column to the right.
 *
 * @example
 * textTable([['codec', 'bpp'], ['ours', '0.25']]);
 */
export function textTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}

/** The points of a curve as a table. */
export function curveTable(curve: readonly MeanValues[]): string {
  const estimated = curve.some(({ estimatedBpp }) => estimatedBpp !== undefined);
  const similarity = curve.some(({ msSsim }) => msSsim !== undefined);
  const head = [
    'setting',
    'bpp',
    ...(estimated ? ['estimated'] : []),
    'PSNR dB',
    ...(similarity ? ['MS-SSIM', 'in dB'] : []),
    'encode s',
    'decode s',
  ];
  const rows = curve.map((point) => [
    String(point.setting),
    point.bpp.toFixed(4),
    ...(estimated ? [point.estimatedBpp?.toFixed(4) ?? '-'] : []),
    point.psnr.toFixed(3),
    ...(similarity
      ? [
          point.msSsim?.toFixed(5) ?? '-',
          point.msSsim === undefined ? '-' : msSsimDecibels(point.msSsim).toFixed(2),
        ]
      : []),
    point.encodeSeconds.toFixed(3),
    point.decodeSeconds.toFixed(3),
  ]);
  return textTable([head, ...rows]);
}

/** A curve that ours is compared with. */
export interface Rival {
  readonly title: string;
  readonly curve: RateCurve;
  /** Where the curve is from: a publication, or the codec's version. */
  readonly source: string;
}

/** Ours against a rival; or why they cannot be compared. */
export interface Comparison {
  readonly title: string;
  readonly source: string;
  readonly rate?: BdRate;
  readonly psnr?: BdPsnr;
  readonly reason?: string;
}

/** Compares a curve with a rival; curves that do not fit give the reason instead of an error. */
export function compare(curve: RateCurve, { title, source, curve: rival }: Rival): Comparison {
  try {
    return { title, source, rate: bdRate(rival, curve), psnr: bdPsnr(rival, curve) };
  } catch (error) {
    if (error instanceof CodecError) return { title, source, reason: error.message };
    throw error;
  }
}

/** Below this part of the tested curve a BD-rate is marked. */
const smallOverlap = 0.5;

/** BD-rates as a table; those over less than half of the tested curve are marked, missing ones explained below. */
export function comparisonTable(comparisons: readonly Comparison[]): string {
  const signed = (value: number, digits: number): string => (value > 0 ? '+' : '') + value.toFixed(digits);
  const rows = comparisons.map(({ title, rate, psnr }) =>
    rate && psnr
      ? [
          title,
          signed(rate.percent, 2),
          signed(psnr.decibels, 3),
          `${rate.from.toFixed(2)}-${rate.to.toFixed(2)}`,
          `${(100 * rate.fraction).toFixed(0)}%${rate.fraction < smallOverlap ? ' (!)' : ''}`,
        ]
      : [title, '-', '-', '-', '-'],
  );
  const reasons = comparisons
    .filter(({ reason }) => reason)
    .map(({ title, reason }) => `${title}: ${reason}`);
  const table = textTable([['against', 'BD-rate %', 'BD-PSNR dB', 'over dB', 'of curve'], ...rows]);
  return [table, ...reasons].join('\n');
}

/** A curve in the shape that CompressAI's tools read; times in seconds. */
export function exchangeResults(curve: readonly MeanValues[]): Record<string, number[]> {
  const all = (value: (of: MeanValues) => number | undefined): number[] =>
    curve.map(value).filter((entry) => entry !== undefined);
  const lists = {
    setting: all(({ setting }) => setting),
    bpp: all(({ bpp }) => bpp),
    'estimated-bpp': all(({ estimatedBpp }) => estimatedBpp),
    'psnr-rgb': all(({ psnr }) => psnr),
    'ms-ssim-rgb': all(({ msSsim }) => msSsim),
    encoding_time: all(({ encodeSeconds }) => encodeSeconds),
    decoding_time: all(({ decodeSeconds }) => decodeSeconds),
  };
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0));
}
