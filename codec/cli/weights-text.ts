/** Reports on weights as the `codec weights` commands print them: tables for people, plain objects for JSON. */
import type { QuantizationReport } from '../../src/weights/report.js';
import { count, decibels, finite, table } from './text.js';

/** What a row of a table needs of a tensor. */
export type ReportRow = Pick<
  QuantizationReport,
  'name' | 'scheme' | 'weights' | 'bitsPerWeight' | 'meanSquaredError' | 'sqnr' | 'cosine' | 'saturation'
>;

const heading = ['tensor', 'scheme', 'weights', 'bits/weight', 'MSE', 'SQNR', 'cosine', 'saturated'];

/** A line per tensor. */
export function reportTable(reports: readonly ReportRow[]): string[] {
  const rows = reports.map((report) => [
    report.name,
    report.scheme,
    count(report.weights),
    report.bitsPerWeight.toFixed(3),
    report.meanSquaredError.toExponential(3),
    decibels(report.sqnr),
    report.cosine.toFixed(6),
    `${(100 * report.saturation).toFixed(3)} %`,
  ]);
  return table([heading, ...rows], 'llrrrrrr');
}

/** JSON has no infinity. */
export const reportJson = <T extends { readonly sqnr: number }>(report: T) => ({
  ...report,
  sqnr: finite(report.sqnr),
});

/** The tensors with the lowest SQNR, lowest first; all where `most` is not given. */
export function worst<T extends { readonly sqnr: number }>(
  reports: readonly T[],
  most?: number,
): readonly T[] {
  return most === undefined ? reports : [...reports].sort((a, b) => a.sqnr - b.sqnr).slice(0, most);
}
