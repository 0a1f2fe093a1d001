/**
 * Finds the quality at which a picture's file has a wished size, or its decoded pixels a wished PSNR. The part of the
 * analysis that does not depend on the rate is run once (PictureEncoder); what is searched over are complete files, so
 * what is promised about the result holds for its real bytes and pixels.
 *
 * Size and PSNR rise with the quality but for small waves, so the search interpolates between the nearest qualities on
 * either side and never leaves them. Qualities are multiples of 1/256.
 */
import { UsageError } from '../src/errors.js';
import type { Image } from '../src/io/image.js';
import { psnr } from '../src/metrics/psnr.js';
import { decodeWithReport } from './decode.js';
import { type EncodeOptions, type EncodeReport, PictureEncoder } from './encode.js';
import { snapQuality } from './format/index.js';

/** What to reach: exactly one of these. */
export type Target =
  | { readonly bytes: number }
  /** Bits of the whole file per pixel of the picture. */
  | { readonly bitsPerPixel: number }
  /** Decibels over the colour samples of the decoded 8-bit picture; alpha is not counted. */
  | { readonly psnr: number };

/** An encoded file with what was searched for. */
export interface TargetReport extends EncodeReport {
  /** Bytes or decibels, as the target says. */
  readonly reached: number;
  /** How many files were made. */
  readonly encodings: number;
}

/** A file is close enough at this part of its target size, or within so many decibels; less than `leastPsnr` is too bad. */
const closeSize = 0.99;
const closePsnr = 0.02;
const leastPsnr = 0.05;
const mostEncodings = 16;
/** What may be left of a target size, for whoever checks. */
const leastSize = 0.97;

/** One tried quality. */
interface Trial {
  readonly quality: number;
  /** What is compared with the goal: log of bytes, or decibels. */
  readonly value: number;
  readonly report: EncodeReport;
}

/** A search's goal in the unit of trials. */
interface Goal {
  readonly value: number;
  /** Unit of trials to what people read. */
  readonly shown: (value: number) => number;
  readonly measure: (report: EncodeReport) => Promise<number>;
  readonly isClose: (value: number) => boolean;
  /** Whether a trial keeps what is promised: a file that is not too large, a picture that is not too bad. */
  readonly isAllowed: (value: number) => boolean;
  readonly unreachable: (best: number) => string;
}

function sizeGoal(bytes: number): Goal {
  if (!(bytes >= 1 && bytes < Number.POSITIVE_INFINITY)) {
    throw new UsageError(`target size: expected a number of bytes of at least 1, got ${bytes}`);
  }
  const most = Math.floor(bytes);
  return {
    value: Math.log(most * 0.5 * (1 + closeSize)),
    shown: (value) => Math.round(Math.exp(value)),
    measure: async (report) => Math.log(report.bytes.length),
    isClose: (value) => Math.exp(value) <= most + 0.5 && Math.exp(value) >= most * closeSize,
    isAllowed: (value) => Math.exp(value) <= most + 0.5,
    unreachable: (best) =>
      `target size: expected at least ${Math.round(Math.exp(best))} bytes for this picture, got ${most}`,
  };
}

function psnrGoal(decibels: number, image: Image, options: EncodeOptions): Goal {
  if (!Number.isFinite(decibels)) {
    throw new UsageError(`target PSNR: expected a number of decibels, got ${decibels}`);
  }
  const { model, engine, threads, maxPixels } = options;
  return {
    value: decibels,
    shown: (value) => value,
    measure: async ({ bytes }) => {
      const decoded = await decodeWithReport(bytes, { model, engine, threads, maxPixels });
      return psnr(image, decoded.image);
    },
    isClose: (value) => Math.abs(value - decibels) <= closePsnr,
    isAllowed: (value) => value >= decibels - leastPsnr,
    unreachable: (best) =>
      `target PSNR: expected up to ${best.toFixed(2)} dB for this picture, got ${decibels}`,
  };
}

/**
 * The next quality to try, strictly between two others: where the line through their trials meets the goal, kept away
 * from the ends so that the bracket shrinks from both sides.
 */
function between(below: Trial, above: Trial, goal: number): number | undefined {
  const [low, high] = [below.quality, above.quality];
  const part = (goal - below.value) / (above.value - below.value);
  const kept = Math.min(0.9, Math.max(0.1, Number.isFinite(part) ? part : 0.5));
  const quality = snapQuality(low + kept * (high - low));
  if (quality > low && quality < high) return quality;
  const middle = snapQuality((low + high) / 2);
  return middle > low && middle < high ? middle : undefined;
}

/** Searches the whole scale, from the middle outwards. */
async function search(encoder: PictureEncoder, goal: Goal): Promise<{ best: Trial; encodings: number }> {
  let encodings = 0;
  const attempt = async (quality: number): Promise<Trial> => {
    const report = await encoder.encode(quality);
    encodings++;
    return { quality, value: await goal.measure(report), report };
  };
  const distance = ({ value }: Trial): number => Math.abs(value - goal.value);
  let best: Trial | undefined;
  const consider = (trial: Trial): Trial => {
    if (goal.isAllowed(trial.value) && (!best || distance(trial) < distance(best))) best = trial;
    return trial;
  };
  const first = consider(await attempt(50));
  let below = first.value <= goal.value ? first : undefined;
  let above = below ? undefined : first;
  while (!(best && goal.isClose(best.value)) && encodings < mostEncodings) {
    const quality = !below ? 0 : !above ? 100 : between(below, above, goal.value);
    if (quality === undefined || quality === (below ?? above)?.quality) break;
    const trial = consider(await attempt(quality));
    if (trial.value <= goal.value) below = trial;
    else above = trial;
    // An end of the scale that is still on the wrong side: nothing lies beyond it.
    if ((quality === 0 && !below) || (quality === 100 && !above)) break;
  }
  if (!best) throw new UsageError(goal.unreachable((below ?? above ?? first).value));
  return { best, encodings };
}

/**
 * Encodes a picture to a size or a PSNR instead of a quality.
 *
 * A file never has more bytes than wished, a picture never less than 0.05 dB below the wished PSNR; where the whole scale
 * of qualities stays below a size or above a PSNR, its end is taken.
 *
 * @param options as for `encode`; `quality` is not looked at
 * @throws UsageError where no quality keeps the promise, saying what is possible, and as `encode`
 * @example
 * const { bytes } = await encodeToTarget(createImage(64, 64, 3), { bytes: 2000 });
 * bytes.length <= 2000; // => true
 */
export async function encodeToTarget(
  image: Image,
  target: Target,
  options: EncodeOptions = {},
): Promise<TargetReport> {
  const pixels = image.width * image.height;
  const goal =
    'psnr' in target
      ? psnrGoal(target.psnr, image, options)
      : sizeGoal('bytes' in target ? target.bytes : (target.bitsPerPixel * pixels) / 8);
  const encoder = await PictureEncoder.create(image, options);
  const { best, encodings } = await search(encoder, goal);
  return { ...best.report, reached: goal.shown(best.value), encodings };
}

/**
 * Whether a file is as near to its target as users may expect: 97 to 100 % of a size, within 0.05 dB of a PSNR. One at the
 * end of the scale may not be.
 *
 * @param file bytes of the file, pixels of its picture and PSNR of its decoded picture in decibels
 * @example
 * isNear({ bytes: 1000 }, { bytes: 985, pixels: 4096, psnr: 31 }); // => true
 */
export function isNear(
  target: Target,
  { bytes, pixels, psnr: decibels }: { bytes: number; pixels: number; psnr: number },
): boolean {
  if ('psnr' in target) return Math.abs(decibels - target.psnr) <= leastPsnr;
  const wished = 'bytes' in target ? target.bytes : (target.bitsPerPixel * pixels) / 8;
  return bytes <= wished && bytes >= leastSize * Math.floor(wished);
}
