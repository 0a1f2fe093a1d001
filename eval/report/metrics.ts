/**
 * The quality measures that a report shows: how they are called and where a measurement has them. All rise with the
 * quality; MS-SSIM is shown in decibels, in which high values spread out, and BD-rates are over those.
 */
import type { CurvePoint } from '../bd-rate.js';
import type { ComparedMetric, Evaluation } from '../evaluation.js';
import { msSsimDecibels } from '../metrics/ms-ssim.js';

/** What measured and published points have in common. */
export interface QualityPoint extends CurvePoint {
  readonly msSsim?: number;
  readonly ssimulacra2?: number;
}

/** A quality measure. */
export interface ReportMetric {
  readonly key: ComparedMetric;
  readonly name: string;
  /** Behind values; empty for points of a score. */
  readonly unit: string;
  readonly digits: number;
  /** The value at a point; undefined where it was not measured or is infinite. */
  of(point: QualityPoint): number | undefined;
}

const finite = (value: number | undefined): number | undefined =>
  value !== undefined && Number.isFinite(value) ? value : undefined;

/** All measures, the customary one first. */
export const reportMetrics: readonly ReportMetric[] = [
  { key: 'psnr', name: 'PSNR', unit: 'dB', digits: 2, of: ({ psnr }) => finite(psnr) },
  {
    key: 'ms-ssim',
    name: 'MS-SSIM',
    unit: 'dB',
    digits: 2,
    of: ({ msSsim }) => finite(msSsim === undefined ? undefined : msSsimDecibels(msSsim)),
  },
  { key: 'ssimulacra2', name: 'SSIMULACRA2', unit: '', digits: 1, of: ({ ssimulacra2 }) => finite(ssimulacra2) },
];

/** Measures that at least one curve has. */
export function metricsOf({ codecs }: Evaluation): ReportMetric[] {
  return reportMetrics.filter((metric) =>
    codecs.some(({ curve }) => curve.some((point) => metric.of(point) !== undefined)),
  );
}
