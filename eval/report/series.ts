/**
 * The codecs of an evaluation as a report shows them: a key for classes and identifiers, and one look each.
 *
 * Invariant: keys are `s0`, `s1`, ... in the order of the evaluation; looks depend on the order within a kind only, so
 * that charts of different metrics and releases can be compared at a glance.
 */
import type { EvaluatedCodec, Evaluation, MeasuredCodec } from '../evaluation.js';
import { type ColorName, type MarkShape, markShapeNames } from './theme.js';

/** A codec with its look. */
export interface ReportSeries {
  readonly key: string;
  readonly codec: EvaluatedCodec;
  readonly color: ColorName;
  readonly mark: MarkShape;
}

const palettes: Readonly<Record<EvaluatedCodec['kind'], readonly ColorName[]>> = {
  ours: ['ours1', 'ours2', 'ours3'],
  quantized: ['ours1', 'rival1', 'rival4', 'rival3', 'ours3', 'rival2', 'ours2', 'rival6', 'rival5'],
  competitor: ['rival1', 'rival2', 'rival3', 'rival4', 'rival5', 'rival6'],
  published: ['anchor'],
};

/** First mark of a kind: those of ours are circles, those of competitors are not. */
const firstMark: Readonly<Record<EvaluatedCodec['kind'], number>> = {
  ours: 0,
  quantized: 0,
  competitor: 1,
  published: 0,
};

/** What kinds are called in tables and legends. */
export const kindNames: Readonly<Record<EvaluatedCodec['kind'], string>> = {
  ours: 'this codec',
  quantized: 'this codec with quantized weights',
  competitor: 'measured here',
  published: 'published',
};

/** The scheme of a codec with quantized weights, without its options: those of one scheme look alike. */
export const schemeOf = ({ weights }: MeasuredCodec): string => weights?.scheme.split(':')[0] ?? '';

/** Place of a codec among those of its kind; of its scheme, where weights are quantized. */
function placesOf(codecs: readonly EvaluatedCodec[]): number[] {
  const seen = { ours: 0, competitor: 0, published: 0 };
  const known = new Map<string, number>();
  return codecs.map((codec) => {
    if (codec.kind !== 'quantized') return seen[codec.kind]++;
    const scheme = schemeOf(codec);
    if (!known.has(scheme)) known.set(scheme, known.size);
    return known.get(scheme)!;
  });
}

/** The codecs with keys and looks. */
export function seriesOf({ codecs }: Evaluation): ReportSeries[] {
  const places = placesOf(codecs);
  return codecs.map((codec, position) => {
    const order = places[position];
    const palette = palettes[codec.kind];
    const shape =
      firstMark[codec.kind] + (codec.kind === 'ours' ? Math.floor(order / palette.length) : order);
    return {
      key: `s${position}`,
      codec,
      color: palette[order % palette.length],
      mark: markShapeNames[shape % markShapeNames.length],
    };
  });
}
