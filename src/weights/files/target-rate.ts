/**
 * Choices that meet a number of bits per quantized weight, by samples of the tensors.
 *
 * Schemes with a step (entropy-coded ones): one step for all tensors, relative to each tensor's standard deviation, found
 * by bisection. Others: a mix of widths; all tensors begin with the fewest bits, and the tensor that gains most for a bit
 * is widened until nothing fits. What counts as gain is the relative squared error, weighted by the number of weights:
 * losses of models grow linearly with it (HIGGS, Malinovskii et al. 2024).
 */

import { UsageError } from '../../errors.js';
import { elementCount } from '../layout.js';
import { type SchemeChoice, schemeNames } from '../registry.js';
import type { WeightTensor } from '../scheme.js';
import type { Calibration } from './calibration.js';
import type { Checkpoint } from './checkpoint.js';
import type { OutputFormat } from './output.js';
import { measureSample, type PlannedTensor, sampleOf, schemeInFamily, takesOption } from './plan.js';

/** Tensors that a step is searched on, and weights of each. */
const stepSamples = 12;
const stepSampleWeights = 32768;

/** Steps relative to the standard deviation: from some 10 bits to next to none. */
const steps = { least: 2 ** -9, most: 8, rounds: 14 } as const;

/** Whether a scheme's rate is a matter of its step. */
export const hasStep = ({ scheme }: SchemeChoice): boolean => takesOption(scheme, { step: 1 });

async function withStep(
  source: Checkpoint,
  planned: readonly PlannedTensor[],
  target: number,
): Promise<PlannedTensor[]> {
  const coded = planned.filter(({ choice }) => choice);
  const every = Math.max(1, Math.floor(coded.length / stepSamples));
  const samples: [WeightTensor, SchemeChoice][] = [];
  for (let i = 0; i < coded.length; i += every) {
    const { tensor, choice } = coded[i];
    samples.push([await sampleOf(source, tensor, stepSampleWeights), choice!]);
  }
  const stepped = ({ scheme, options }: SchemeChoice, step: number): SchemeChoice => {
    const { bits: _, ...rest } = options;
    return { scheme, options: { ...rest, step } };
  };
  const rate = (step: number): number => {
    let bits = 0;
    let weights = 0;
    for (const [sample, choice] of samples) {
      const count = sample.values.length;
      bits += measureSample(sample, stepped(choice, step)).bitsPerWeight * count;
      weights += count;
    }
    return bits / weights;
  };
  let low: number = steps.least;
  let high: number = steps.most;
  for (let round = 0; round < steps.rounds; round++) {
    const middle = Math.sqrt(low * high);
    if (rate(middle) > target) low = middle;
    else high = middle;
  }
  return planned.map((one) => (one.choice ? { ...one, choice: stepped(one.choice, high) } : one));
}

/** Choices of other widths: the scheme's own, or those of schemes that differ in the number of their name. */
function widthsOf(choice: SchemeChoice, format: OutputFormat, planned: PlannedTensor): SchemeChoice[] {
  const { scheme, options } = choice;
  const shape = (name: string): string => name.replace(/\d+/, '#');
  // Q8_0 stands at the end of the K types, as in files of llama.cpp.
  const isK = /^q\d_k$/.test(scheme.name);
  const family = schemeNames.filter((name) => shape(name) === shape(scheme.name) || (isK && name === 'q8_0'));
  const all =
    scheme.bitWidths.length > 1
      ? scheme.bitWidths.map((bits) => ({ scheme, options: { ...options, bits } }))
      : family.map((name) => schemeInFamily(name, options));
  return all.filter((one) => format.fit(planned.tensor, one) === one);
}

interface Rung {
  readonly choice: SchemeChoice;
  readonly bits: number;
  readonly error: number;
}

/** A tensor's choices by falling error, each of more bits than the one before. */
async function ladder(
  source: Checkpoint,
  format: OutputFormat,
  planned: PlannedTensor,
  calibration: Calibration | undefined,
): Promise<Rung[]> {
  const sample = await sampleOf(source, planned.tensor, stepSampleWeights);
  const weights = elementCount(planned.tensor.shape);
  const rungs: Rung[] = [];
  for (const choice of widthsOf(planned.choice!, format, planned)) {
    // Completed to be measured, and kept without: Hessians of all layers would not fit in memory.
    const complete = calibration ? await calibration.completed(choice, planned.tensor) : choice;
    const { bitsPerWeight, relativeError } = measureSample(sample, complete, format);
    rungs.push({ choice, bits: bitsPerWeight * weights, error: relativeError ** 2 * weights });
  }
  rungs.sort((a, b) => a.bits - b.bits || a.error - b.error);
  return rungs.filter((rung, i) => rungs.slice(0, i).every(({ error }) => error > rung.error));
}

async function withWidths(
  source: Checkpoint,
  format: OutputFormat,
  planned: readonly PlannedTensor[],
  target: number,
  calibration: Calibration | undefined,
): Promise<PlannedTensor[]> {
  const ladders = new Map<number, Rung[]>();
  const places = new Map<number, number>();
  let bits = 0;
  let weights = 0;
  for (const one of planned) {
    if (!one.choice) continue;
    const rungs = await ladder(source, format, one, calibration);
    ladders.set(one.index, rungs);
    places.set(one.index, 0);
    bits += rungs[0].bits;
    weights += elementCount(one.tensor.shape);
  }
  const budget = target * weights;
  if (bits > budget) {
    throw new UsageError(
      `--target-bpw: expected at least ${(bits / weights).toFixed(3)} bits per weight for these schemes, got ${target}`,
    );
  }
  for (;;) {
    let best: { index: number; place: number; gain: number } | undefined;
    for (const [index, rungs] of ladders) {
      const from = rungs[places.get(index)!];
      for (let place = places.get(index)! + 1; place < rungs.length; place++) {
        const gain = (from.error - rungs[place].error) / (rungs[place].bits - from.bits);
        if (bits - from.bits + rungs[place].bits <= budget && gain > (best?.gain ?? 0)) {
          best = { index, place, gain };
        }
      }
    }
    if (!best) break;
    const rungs = ladders.get(best.index)!;
    bits += rungs[best.place].bits - rungs[places.get(best.index)!].bits;
    places.set(best.index, best.place);
  }
  return planned.map((one) => {
    const rungs = ladders.get(one.index);
    return rungs ? { ...one, choice: rungs[places.get(one.index)!].choice } : one;
  });
}

/**
 * The plan with choices whose bits per quantized weight come near a target: at most for widths, about for steps.
 *
 * @param calibration for schemes that need it
 * @throws UsageError where the schemes cannot be that small
 */
export async function meetTarget(
  source: Checkpoint,
  format: OutputFormat,
  planned: readonly PlannedTensor[],
  target: number,
  calibration?: Calibration,
): Promise<PlannedTensor[]> {
  const choices = planned.flatMap(({ choice }) => (choice ? [choice] : []));
  if (choices.length === 0) return [...planned];
  return choices.every(hasStep)
    ? withStep(source, planned, target)
    : withWidths(source, format, planned, target, calibration);
}
