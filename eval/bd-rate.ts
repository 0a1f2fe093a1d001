/**
 * Bjontegaard deltas: the average difference between two rate-distortion curves.
 *
 * BD-rate: ln(rate) as a function of PSNR, averaged over the PSNR interval that both curves cover, as a percentage:
 * -10 means 10 % fewer bits at equal PSNR. BD-PSNR: PSNR as a function of ln(rate), averaged over the common rates.
 * Curves are drawn by PCHIP unless told otherwise, as in the sheets of JVET; Akima and the least-squares cubic of the
 * original proposal (VCEG-M33) are there to compare.
 * Units: rates in bits per pixel (any unit works, if it is the same for both), PSNR in decibels.
 */
import { UsageError } from '../src/errors.js';
import { type Interpolation, integral, interpolate, interpolations } from './interpolation.js';

/** One point of a rate-distortion curve. */
export interface CurvePoint {
  /** Bits per pixel, above 0. */
  readonly bpp: number;
  /** Decibels. Any quality measure that rises with the rate will do. */
  readonly psnr: number;
}

/** Points in any order, at least `leastPoints`. */
export type RateCurve = readonly CurvePoint[];

/** Fewer points do not make a curve. */
export const leastPoints = 4;

export interface BdOptions {
  /** Default 'pchip'. */
  readonly method?: Interpolation;
}

export const defaultBdOptions = Object.freeze({ method: 'pchip' as Interpolation });

/** What an average was taken over. */
export interface Overlap {
  /** Ends of the common interval: decibels for BD-rate, bits per pixel for BD-PSNR. */
  readonly from: number;
  readonly to: number;
  /** Part of the tested curve's own interval that the common one covers, 0..1; little means: do not trust it. */
  readonly fraction: number;
}

export interface BdRate extends Overlap {
  /** Difference of rate at equal PSNR; negative where the tested curve needs fewer bits. */
  readonly percent: number;
}

export interface BdPsnr extends Overlap {
  /** Difference of PSNR at equal rate; positive where the tested curve is better. */
  readonly decibels: number;
}

const show = ({ bpp, psnr }: CurvePoint): string => `${bpp} bpp at ${psnr} dB`;

/**
 * Checks a curve and sorts it by rate.
 *
 * @param name what to call it in messages
 * @throws UsageError for fewer than four points, for points that are no finite positive rate and finite PSNR, for
 *   equal rates, and for a PSNR that does not rise with the rate
 * @example
 * checkedCurve([{ bpp: 2, psnr: 40 }, { bpp: 1, psnr: 35 }, { bpp: 0.5, psnr: 32 }, { bpp: 0.2, psnr: 30 }], 'ours');
 */
export function checkedCurve(curve: RateCurve, name: string): CurvePoint[] {
  if (curve.length < leastPoints) {
    throw new UsageError(`${name}: expected at least ${leastPoints} points of a curve, got ${curve.length}`);
  }
  for (const point of curve) {
    if (!(point.bpp > 0 && Number.isFinite(point.bpp) && Number.isFinite(point.psnr))) {
      throw new UsageError(`${name}: expected a positive rate and a finite PSNR, got ${show(point)}`);
    }
  }
  const sorted = [...curve].sort((a, b) => a.bpp - b.bpp);
  for (let i = 1; i < sorted.length; i++) {
    const [below, above] = [sorted[i - 1], sorted[i]];
    if (!(above.bpp > below.bpp && above.psnr > below.psnr)) {
      throw new UsageError(
        `${name}: expected rate and PSNR to rise together, got ${show(below)} and ${show(above)}`,
      );
    }
  }
  return sorted;
}

/** Average of test minus anchor over the interval that both cover. */
function averageDifference(
  anchor: readonly [readonly number[], readonly number[]],
  test: readonly [readonly number[], readonly number[]],
  method: Interpolation,
  unit: string,
): Overlap & { readonly difference: number } {
  if (!interpolations.includes(method)) {
    throw new UsageError(`method: expected one of ${interpolations.join(', ')}, got ${method}`);
  }
  const ends = (x: readonly number[]): [number, number] => [x[0], x[x.length - 1]];
  const [anchorLow, anchorHigh] = ends(anchor[0]);
  const [testLow, testHigh] = ends(test[0]);
  const from = Math.max(anchorLow, testLow);
  const to = Math.min(anchorHigh, testHigh);
  if (!(to > from)) {
    const range = (low: number, high: number): string => `${low.toFixed(3)} to ${high.toFixed(3)}`;
    throw new UsageError(
      `Expected two curves that overlap in ${unit} but the anchor covers ${range(anchorLow, anchorHigh)} and the tested one ${range(testLow, testHigh)}`,
    );
  }
  const area = ([x, y]: readonly [readonly number[], readonly number[]]): number =>
    integral(interpolate(x, y, method), from, to);
  const difference = (area(test) - area(anchor)) / (to - from);
  return { difference, from, to, fraction: (to - from) / (testHigh - testLow) };
}

/**
 * How many per cent more bits the tested curve needs for the same PSNR.
 *
 * @returns percent (-10: a tenth fewer bits) with the PSNR interval it was averaged over
 * @throws UsageError as `checkedCurve`, and where the curves have no PSNR in common
 * @example
 * const anchor = [[0.1, 28], [0.3, 31], [0.8, 35], [1.6, 39]].map(([bpp, psnr]) => ({ bpp, psnr }));
 * const test = anchor.map(({ bpp, psnr }) => ({ bpp: bpp * 0.9, psnr }));
 * bdRate(anchor, test).percent.toFixed(6); // => "-10.000000"
 */
export function bdRate(anchor: RateCurve, test: RateCurve, options: BdOptions = {}): BdRate {
  const axes = (curve: CurvePoint[]): [number[], number[]] => [
    curve.map(({ psnr }) => psnr),
    curve.map(({ bpp }) => Math.log(bpp)),
  ];
  const { difference, ...overlap } = averageDifference(
    axes(checkedCurve(anchor, 'anchor')),
    axes(checkedCurve(test, 'tested curve')),
    options.method ?? defaultBdOptions.method,
    'PSNR (dB)',
  );
  return { percent: 100 * Math.expm1(difference), ...overlap };
}

/**
 * How many decibels the tested curve is above the anchor at the same rate.
 *
 * @returns decibels with the interval of rates it was averaged over
 * @throws UsageError as `checkedCurve`, and where the curves have no rate in common
 * @example
 * const anchor = [[0.1, 28], [0.3, 31], [0.8, 35], [1.6, 39]].map(([bpp, psnr]) => ({ bpp, psnr }));
 * bdPsnr(anchor, anchor.map(({ bpp, psnr }) => ({ bpp, psnr: psnr + 0.5 }))).decibels.toFixed(6); // => "0.500000"
 */
export function bdPsnr(anchor: RateCurve, test: RateCurve, options: BdOptions = {}): BdPsnr {
  const axes = (curve: CurvePoint[]): [number[], number[]] => [
    curve.map(({ bpp }) => Math.log(bpp)),
    curve.map(({ psnr }) => psnr),
  ];
  const { difference, from, to, fraction } = averageDifference(
    axes(checkedCurve(anchor, 'anchor')),
    axes(checkedCurve(test, 'tested curve')),
    options.method ?? defaultBdOptions.method,
    'ln(bits per pixel)',
  );
  return { decibels: difference, from: Math.exp(from), to: Math.exp(to), fraction };
}
