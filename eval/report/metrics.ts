/**
 * The quality measures that curves are drawn and compared by: how they are called, and their values as comparison.ts takes
 * them: all rise with the quality, MS-SSIM in decibels, Butteraugli with its sign turned.
 */
import type { CurvePoint } from '../bd-rate.js';
import { metricCurve } from '../comparison.js';
import type { Evaluation } from '../evaluation.js';
import type { Values } from '../measure.js';
import { type MetricName, metricNames } from '../metrics/metrics.js';

/** A quality measure. */
export interface ReportMetric {
  readonly key: MetricName;
  readonly name: string;
  /** Behind values; empty for points of a score. */
  readonly unit: string;
  readonly digits: number;
  /** The value at a point; undefined where it was not measured or is infinite. */
  of(point: CurvePoint & Partial<Values>): number | undefined;
}

const names: Readonly<Record<MetricName, readonly [name: string, unit: string, digits: number]>> = {
  psnr: ['PSNR', 'dB', 2],
  'ms-ssim': ['MS-SSIM', 'dB', 2],
  ssimulacra2: ['SSIMULACRA2', '', 1],
  butteraugli: ['Butteraugli, sign turned', '', 2],
};

/** All measures, the customary one first. */
export const reportMetrics: readonly ReportMetric[] = metricNames.map((key) => {
  const [name, unit, digits] = names[key];
  return {
    key,
    name,
    unit,
    digits,
    of(point) {
      const value = metricCurve([point], key)?.[0].psnr;
      return value !== undefined && Number.isFinite(value) ? value : undefined;
    },
  };
});

/** Measures that at least one curve has. */
export function metricsOf({ codecs }: Evaluation): ReportMetric[] {
  return reportMetrics.filter((metric) =>
    codecs.some(({ curve }) => curve.some((point) => metric.of(point) !== undefined)),
  );
}
