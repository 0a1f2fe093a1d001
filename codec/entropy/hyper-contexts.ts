/**
 * Which table each hyper-latent is coded with (docs/FORMAT.md, "Entropy segments"), for encoder and decoder alike.
 *
 * A model with contexts predicts a hyper-latent from those that are known when its turn comes, place by place and at each
 * place channel by channel: all channels to the left, all above, and the channels before it at the same place. The
 * prediction is a weighted sum of whole numbers, so it is exact everywhere; thresholds cut it into contexts, and a table
 * was counted for each (src/training/fit-hyper-contexts.ts). Without contexts a channel has one table.
 *
 * Linear prediction as in lossless image coding (Wu & Memon, CALIC, 1997), with what is predicted as a context only.
 */

/** How the contexts of hyper-latents follow from hyper-latents; C channels. */
export interface HyperContexts {
  /**
   * `[C, 3 C]`: weights of the hyper-latents to the left, above and at the same place, within ±2^15. Those of channels that
   * are not known yet are not looked at.
   */
  readonly weights: Int16Array;
  /** `[C, contexts - 1]`, ascending in each row: a prediction has as many thresholds at or below it as its context says. */
  readonly thresholds: Int32Array;
}

/** Larger hyper-latents count as these in predictions, so that sums stay whole numbers that a double can tell apart. */
const contextReach = 63;

/** Contexts of a channel: 1 without contexts. */
export function contextCount(contexts: HyperContexts | undefined, channels: number): number {
  return contexts ? contexts.thresholds.length / channels + 1 : 1;
}

/** What the walk has to know of the array and of the model. */
export interface HyperLatentSpace {
  readonly channels: number;
  /** Hyper-latents in a row of a channel. */
  readonly width: number;
  readonly contexts?: HyperContexts;
  /** Row of tables of channel 0 at the rate, of as many tables as there are contexts; rows of the other channels follow. */
  readonly firstRow: number;
}

const clamped = (value: number): number => Math.max(-contextReach, Math.min(contextReach, value));

/**
 * Visits hyper-latents in the order of the stream, with the table of each. A visitor that writes `values[n]` decodes: what is
 * known is read from there.
 *
 * @param values channel by channel, row by row
 * @param visit gets the hyper-latent's index in `values` and its table
 * @example
 * const space = { channels: 2, width: 1, firstRow: 4 };
 * const order = [];
 * visitHyperLatents(new Int32Array(4), space, (n, table) => order.push([n, table]));
 * order; // => [[0, 4], [1, 4], [2, 5], [3, 5]]
 */
export function visitHyperLatents(
  values: Int32Array,
  { channels, width, contexts, firstRow }: HyperLatentSpace,
  visit: (n: number, table: number) => void,
): void {
  const plane = values.length / channels;
  if (!contexts) {
    for (let n = 0; n < values.length; n++) visit(n, firstRow + Math.floor(n / plane));
    return;
  }
  const { weights, thresholds } = contexts;
  const cuts = thresholds.length / channels;
  visitPredictions(values, { channels, width, weights }, (n, channel, prediction) => {
    let context = 0;
    while (context < cuts && thresholds[cuts * channel + context] <= prediction) context++;
    visit(n, (firstRow + channel) * (cuts + 1) + context);
  });
}

/**
 * Visits hyper-latents place by place and there channel by channel, with what is predicted for each from those before it:
 * exact sums of whole numbers.
 *
 * @param values channel by channel, row by row; may be written while they are visited
 * @param visit gets the hyper-latent's index in `values`, its channel and the prediction
 */
export function visitPredictions(
  values: Int32Array,
  { channels, width, weights }: Pick<HyperLatentSpace, 'channels' | 'width'> & Pick<HyperContexts, 'weights'>,
  visit: (n: number, channel: number, prediction: number) => void,
): void {
  const plane = values.length / channels;
  const known = new Int32Array(3 * channels);
  for (let place = 0; place < plane; place++) {
    gatherKnown(values, place, width, known);
    for (let channel = 0; channel < channels; channel++) {
      const row = 3 * channels * channel;
      let prediction = 0;
      for (let k = 0; k < 2 * channels + channel; k++) prediction += weights[row + k] * known[k];
      const n = channel * plane + place;
      visit(n, channel, prediction);
      known[2 * channels + channel] = clamped(values[n]);
    }
  }
}

/**
 * Writes the hyper-latents to the left of a place, above it and at it into the thirds of `known`, 0 where there are none.
 *
 * @param values channel by channel, row by row
 */
export function gatherKnown(values: Int32Array, place: number, width: number, known: Int32Array): void {
  const channels = known.length / 3;
  const plane = values.length / channels;
  const isFirst = place % width === 0;
  const isTop = place < width;
  for (let channel = 0; channel < channels; channel++) {
    const n = channel * plane + place;
    known[channel] = isFirst ? 0 : clamped(values[n - 1]);
    known[channels + channel] = isTop ? 0 : clamped(values[n - width]);
    known[2 * channels + channel] = clamped(values[n]);
  }
}
