/** Codecs with quantized weights in an evaluation, apart from whole codecs: they have a table and a chart of their own. */
import type {
  EvaluatedComparison,
  Evaluation,
  MeasuredCodec,
  WeightsFacts,
  WeightsSize,
} from '../evaluation.js';

/** A codec with quantized weights, and how it compares with its reference by PSNR. */
export interface WeightsResult {
  readonly codec: MeasuredCodec;
  readonly facts: WeightsFacts;
  /** Undefined where it was not measured. */
  readonly comparison?: EvaluatedComparison;
}

/** All codecs with quantized weights, in the order in which they were asked for. */
export function weightsResults({ codecs, comparisons }: Evaluation): WeightsResult[] {
  return codecs.flatMap((codec) => {
    if (codec.kind !== 'quantized' || !codec.weights) return [];
    const comparison = comparisons.find(({ tested, metric }) => tested === codec.name && metric === 'psnr');
    return [{ codec, facts: codec.weights, ...(comparison && { comparison }) }];
  });
}

/** Comparisons between whole codecs. */
export function codecComparisons(evaluation: Evaluation): EvaluatedComparison[] {
  const quantized = new Set(weightsResults(evaluation).map(({ codec }) => codec.name));
  return evaluation.comparisons.filter(({ tested }) => !quantized.has(tested));
}

/** How tables write numbers of one kind or another. */
export interface WeightsText {
  /** A BD-rate in per cent, or a difference in decibels, with its sign. */
  signed(value: number, digits: number): string;
  readonly absent: string;
}

/** Titles of the columns of `weightsRows`. */
export const weightsTitles = [
  'weights',
  'bits per weight',
  'per parameter',
  'SQNR, dB',
  'decoder, bytes',
  'model, bytes',
  'BD-rate, %',
  'BD-PSNR, dB',
] as const;

const sizeCells = (decoder: WeightsSize, whole: WeightsSize, sqnr: string): string[] => [
  decoder.bitsPerWeight.toFixed(3),
  decoder.bitsPerParameter.toFixed(3),
  sqnr,
  String(decoder.bytes),
  String(whole.bytes),
];

/**
 * Rows of the table of quantized weights, as text: for each reference a row with its weights in half precision, then all
 * that are compared with it. Bits are those of the decoder: per weight that is quantized with all overhead, and per
 * parameter of its networks with those that stay.
 */
export function weightsRows(evaluation: Evaluation, { signed, absent }: WeightsText): string[][] {
  const results = weightsResults(evaluation);
  const references = [...new Set(results.map(({ facts }) => facts.reference))];
  return references.flatMap((reference) => {
    const own = results.filter(({ facts }) => facts.reference === reference);
    const { decoder, whole } = own[0].facts.full;
    return [
      [`${reference} in half precision`, ...sizeCells(decoder, whole, absent), absent, absent],
      ...own.map(({ facts, comparison }) => [
        facts.scheme,
        ...sizeCells(
          facts.decoder,
          facts.whole,
          Number.isFinite(facts.sqnr) ? facts.sqnr.toFixed(2) : absent,
        ),
        comparison?.rate ? signed(comparison.rate.percent, 2) : absent,
        comparison?.psnr ? signed(comparison.psnr.decibels, 3) : absent,
      ]),
    ];
  });
}

/** Why results have no BD-rate, a line each. */
export function weightsNotes(evaluation: Evaluation): string[] {
  return weightsResults(evaluation).flatMap(({ facts, comparison }) =>
    comparison?.reason === undefined ? [] : [`${facts.scheme}: ${comparison.reason}`],
  );
}
