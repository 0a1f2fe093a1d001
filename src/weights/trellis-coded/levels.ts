/**
 * Levels (integers, one per weight) as bins and as streams of bytes.
 *
 * A level is: is it nonzero; its sign; for i = 1 to 11 "is its magnitude above i" until the answer is no; then, for
 * magnitudes above 11, the rest as an adaptive Exp-Golomb code. The context of the first two depends on the level
 * before (zero, negative, positive), the first one's also on the trellis state. Before the levels, a stream says in
 * which initial set each context starts. Trellis states are those of the machine `nnc8`; streams of uniform
 * quantization stay in state 0.
 * Source: ISO/IEC 15938-17 (NNR) with cabac_unary_length_minus1 = 10, scan order 0.
 */
import { machines } from '../../../trellis/machines.js';
import { FormatError, UsageError } from '../../errors.js';
import { ArithmeticDecoder, ArithmeticEncoder, type BinSink } from './arithmetic-coder.js';
import { Contexts } from './contexts.js';

/** Questions "is the magnitude above i" before the Exp-Golomb code. */
export const magnitudeFlags = 11;

/** Where each kind of context starts. */
export const signContexts = 24;
export const magnitudeContexts = 27;
const prefixCount = 32;

/** Contexts of the Exp-Golomb prefix start here, where there are so many magnitude flags. */
export const prefixContexts = (flags: number): number => magnitudeContexts + 2 * flags;

/** The context of the questions for initial sets; the last but one of four spare ones. */
const setContext = prefixContexts(magnitudeFlags) + prefixCount + 2;

/** Contexts that have an initial set of their own. */
export const settableContexts = prefixContexts(magnitudeFlags) + prefixCount;

export const contextCount = settableContexts + 4;

/** Largest magnitude of a level. */
export const largestLevel = 2 ** 29;

const { next } = machines.nnc8;

/** What the next level's contexts know of this one: 0 zero, 1 negative, 2 positive. */
export const traceOf = (level: number): number => (level === 0 ? 0 : level < 0 ? 1 : 2);

/**
 * Hands the bins of one level to a sink.
 *
 * @param state trellis state, 0 to 7
 * @param trace `traceOf` the level before; 0 for the first
 * @param flags magnitude flags; 11 in streams
 */
export function putLevel(
  sink: BinSink,
  level: number,
  state: number,
  trace: number,
  flags = magnitudeFlags,
): void {
  const significance = 3 * state + trace;
  if (level === 0) {
    sink.bin(significance, 0);
    return;
  }
  sink.bin(significance, 1);
  const negative = level < 0 ? 1 : 0;
  sink.bin(signContexts + trace, negative);
  const magnitude = negative ? -level : level;
  const first = magnitudeContexts + negative;
  for (let i = 0; i < flags; i++) {
    const above = magnitude > i + 1 ? 1 : 0;
    sink.bin(first + 2 * i, above);
    if (!above) return;
  }
  const rest = magnitude - flags;
  const width = 31 - Math.clz32(rest);
  const prefix = prefixContexts(flags);
  for (let i = 0; i < width; i++) sink.bin(prefix + i, 1);
  sink.bin(prefix + width, 0);
  sink.bypass(rest - (1 << width), width);
}

function getLevel(decoder: ArithmeticDecoder, state: number, trace: number): number {
  if (!decoder.bin(3 * state + trace)) return 0;
  const negative = decoder.bin(signContexts + trace);
  const first = magnitudeContexts + negative;
  let magnitude = 1;
  while (magnitude <= magnitudeFlags && decoder.bin(first + 2 * (magnitude - 1))) magnitude++;
  if (magnitude > magnitudeFlags) {
    const prefix = prefixContexts(magnitudeFlags);
    let width = 0;
    while (decoder.bin(prefix + width)) {
      if (++width > 29)
        throw new FormatError('Expected a level within ±2^29 in a stream of levels, got a longer code');
    }
    magnitude += (1 << width) - 1 + decoder.bypass(width);
    if (magnitude > largestLevel) {
      throw new FormatError(
        `Expected a level within ±2^29 in a stream of levels, got magnitude ${magnitude}`,
      );
    }
  }
  return negative ? -magnitude : magnitude;
}

/** Whether a stream names the initial set of this context: uniform quantization has one state. */
export const isSettable = (context: number, dependent: boolean): boolean =>
  context < settableContexts && (dependent || context < 3 || context >= signContexts);

/** Trellis state after some levels. */
export function stateAfter(levels: Int32Array, state: number): number {
  for (let n = 0; n < levels.length; n++) state = next[2 * state + (levels[n] & 1)];
  return state;
}

/** Hands all levels to a sink, in order, from a trellis state on. */
export function putLevels(sink: BinSink, levels: Int32Array, dependent: boolean, state = 0): void {
  let trace = 0;
  for (let n = 0; n < levels.length; n++) {
    const level = levels[n];
    putLevel(sink, level, state, trace);
    trace = traceOf(level);
    if (dependent) state = next[2 * state + (level & 1)];
  }
}

/** Hands the questions for initial sets and their answers to a sink. */
export function putInitialSets(sink: BinSink, sets: Uint8Array, dependent: boolean): void {
  for (let context = 0; context < settableContexts; context++) {
    if (isSettable(context, dependent)) putInitialSet(sink, sets[context]);
  }
}

/** One question for an initial set. */
export function putInitialSet(sink: BinSink, set: number): void {
  sink.bin(setContext, set > 0 ? 1 : 0);
  if (set > 0) sink.bypass(set - 1, 3);
}

export interface LevelOptions {
  /** Whether the levels drive the trellis (dependent quantization) or not (uniform quantization). */
  readonly dependent: boolean;
  /** Initial set of each context, 0 to 8, `[settableContexts]`; all 0 where absent. */
  readonly sets?: Uint8Array;
}

/**
 * The stream of levels.
 *
 * @param levels each within ±2^29
 * @throws UsageError for larger ones
 * @example
 * const levels = Int32Array.of(3, 0, -1, 20);
 * const bytes = encodeLevels(levels, { dependent: true });
 * Array.from(decodeLevels(bytes, 4, { dependent: true })); // => [3, 0, -1, 20]
 */
export function encodeLevels(levels: Int32Array, options: LevelOptions): Uint8Array {
  const { dependent, sets = new Uint8Array(settableContexts) } = options;
  const wrong = levels.find((level) => level > largestLevel || level < -largestLevel);
  if (wrong !== undefined) throw new UsageError(`levels: expected integers within ±2^29, got ${wrong}`);
  const contexts = new Contexts(contextCount);
  const encoder = new ArithmeticEncoder(contexts);
  putInitialSets(encoder, sets, dependent);
  for (let context = 0; context < settableContexts; context++) {
    if (isSettable(context, dependent)) contexts.start(context, sets[context]);
  }
  putLevels(encoder, levels, dependent);
  return encoder.finish();
}

/**
 * The levels of a stream.
 *
 * @param bytes exactly one stream
 * @param count how many levels it holds
 * @throws FormatError for a stream that ends too early, holds a level beyond ±2^29 or does not end after `count` levels
 */
export function decodeLevels(
  bytes: Uint8Array,
  count: number,
  { dependent }: { dependent: boolean },
): Int32Array {
  const contexts = new Contexts(contextCount);
  const decoder = new ArithmeticDecoder(bytes, contexts);
  for (let context = 0; context < settableContexts; context++) {
    if (!isSettable(context, dependent)) continue;
    contexts.start(context, decoder.bin(setContext) ? 1 + decoder.bypass(3) : 0);
  }
  const levels = new Int32Array(count);
  let [state, trace] = [0, 0];
  for (let n = 0; n < count; n++) {
    const level = getLevel(decoder, state, trace);
    levels[n] = level;
    trace = traceOf(level);
    if (dependent) state = next[2 * state + (level & 1)];
  }
  decoder.finish();
  return levels;
}
