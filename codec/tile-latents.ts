/**
 * Latents of rectangles of a picture: cut out of larger ones, and put together from smaller ones.
 *
 * Rectangles are in latents of the padded picture. Values are row-major [channels, height / stride, width / stride], where
 * stride is 2 for the dense latents of a pass and 4 for hyper-latents; rectangles lie on multiples of it.
 */
import type { Rect } from './format/index.js';
import type { AnalysedArea } from './transform-engine.js';

/** Values of a rectangle. */
interface PlacedValues {
  readonly values: Float32Array;
  readonly place: Rect;
}

/** Latents from one dense latent of a pass to the next, and from one hyper-latent to the next. */
const passStride = 2;
const hyperStride = 4;

/** Copies what two rectangles share. */
function copyShared(from: PlacedValues, to: PlacedValues, channels: number, stride: number): void {
  const left = Math.max(from.place.x, to.place.x);
  const right = Math.min(from.place.x + from.place.width, to.place.x + to.place.width);
  const top = Math.max(from.place.y, to.place.y);
  const bottom = Math.min(from.place.y + from.place.height, to.place.y + to.place.height);
  if (left >= right || top >= bottom) return;
  const span = (right - left) / stride;
  const start = ({ x, y, width, height }: Rect, channel: number, row: number): number =>
    ((channel * height + row - y) / stride) * (width / stride) + (left - x) / stride;
  for (let channel = 0; channel < channels; channel++) {
    for (let row = top; row < bottom; row += stride) {
      const first = start(from.place, channel, row);
      to.values.set(from.values.subarray(first, first + span), start(to.place, channel, row));
    }
  }
}

const sameRect = (a: Rect, b: Rect): boolean =>
  a.x === b.x && a.y === b.y && a.width === b.width && a.height === b.height;

function cut(from: PlacedValues, place: Rect, channels: number, stride: number): Float32Array {
  if (sameRect(from.place, place)) return from.values;
  const values = new Float32Array((channels * place.width * place.height) / stride ** 2);
  copyShared(from, { values, place }, channels, stride);
  return values;
}

/** The passes of a part of a rectangle; the very arrays where it is all of it. */
export function cutPasses(
  passes: readonly Float32Array[],
  from: Rect,
  place: Rect,
  channels: number,
): Float32Array[] {
  return passes.map((values) => cut({ values, place: from }, place, channels, passStride));
}

/** The latents and hyper-latents of a part of an analysed rectangle. */
export function cutArea(
  area: AnalysedArea,
  from: Rect,
  place: Rect,
  channels: { readonly latents: number; readonly hyperLatents: number },
): AnalysedArea {
  return {
    passes: cutPasses(area.passes, from, place, channels.latents),
    hyperLatents: cut({ values: area.hyperLatents, place: from }, place, channels.hyperLatents, hyperStride),
  };
}

/** Writes the passes of one rectangle into those of another, where they meet. */
export function pastePasses(
  passes: readonly Float32Array[],
  from: Rect,
  target: readonly Float32Array[],
  place: Rect,
  channels: number,
): void {
  passes.forEach((values, pass) => {
    copyShared({ values, place: from }, { values: target[pass], place }, channels, passStride);
  });
}
