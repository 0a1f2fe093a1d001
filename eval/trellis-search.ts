/**
 * Script: looks for trellis codes of more states than published tables have, for trellis/machines.ts:
 *
 *     npm run search:trellis -- --states 1024 --candidates 6000 --seed 3
 *
 * Candidates are parity checks of systematic feedback codes (`ungerboeckMachine`), drawn at random; a code is as good as
 * its granular gain, the decibels by which it is nearer to a uniform source than scalar quantization at as many bits. What a
 * code gains on a few numbers is noisy, so candidates run a tournament: all on few, the best eighth on four times as many,
 * and so on. Gains of different codes of one table lie within hundredths of a decibel.
 */
import {
  gridIntegers,
  type MachineName,
  quantizeTrellis,
  RateTables,
  type StateMachine,
  ungerboeckMachine,
} from '../trellis/index.js';
import { seeded } from './random.js';
import { numberOption, parseOptions, runAsScript } from './script.js';

const free = RateTables.fromRows([
  { first: 0, bits: [0], escapeBits: 0 },
  { first: 0, bits: [0], escapeBits: 0 },
]);

/**
 * Decibels over scalar quantization of a uniform source, far from zero where labels are strictly modulo 4.
 *
 * @param machine of any number of states
 * @param count of uniform numbers, the same ones for every machine; the gain's deviation is about 3 / sqrt(count) dB
 * @example
 * granularGain('vvc4', 4000) > 0.9; // => true
 */
export function granularGain(machine: MachineName | StateMachine, count: number): number {
  const uniform = seeded(7);
  const latents = Float32Array.from({ length: count }, () => 100 + 800 * uniform());
  const grid = gridIntegers(quantizeTrellis({ latents, step: 1, lagrangian: 0, tables: free, machine }), {
    machine,
  });
  let error = 0;
  for (let n = 0; n < count; n++) error += (latents[n] - grid[n]) ** 2;
  return -10 * Math.log10((3 * error) / count);
}

/** A code by its parity checks, and what it gains. */
export interface FoundCode {
  readonly h0: number;
  readonly h1: number;
  readonly gain: number;
}

/** Uniform numbers in the rounds of the tournament, and the part of the candidates that each round keeps. */
const rounds = [
  { numbers: 4000, kept: 1 / 8 },
  { numbers: 16000, kept: 1 / 5 },
  { numbers: 60000, kept: 1 / 10 },
  { numbers: 240000, kept: 1 / 4 },
  { numbers: 1000000, kept: 1 },
] as const;

/**
 * The best codes of a random search, best first, with their gains on the numbers of the last round.
 *
 * @param states power of two, 4 to 1024
 * @param candidates how many codes are drawn, at least 1
 * @param seed decides them
 * @param budget factor on the numbers that codes are tried on
 * @example
 * searchCodes(8, 4, 1, 0.01)[0].h0 & 1; // => 1
 */
export function searchCodes(states: number, candidates: number, seed: number, budget = 1): FoundCode[] {
  const uniform = seeded(seed);
  const below = (count: number): number => Math.floor(count * uniform());
  // The lowest and highest bit of h0 are what makes two ways into every state; h1 has neither.
  let codes: FoundCode[] = Array.from({ length: candidates }, () => ({
    h0: states | 1 | (2 * below(states / 2)),
    h1: 2 * (1 + below(states / 2 - 1)),
    gain: 0,
  }));
  for (const { numbers, kept } of rounds) {
    const count = Math.ceil(budget * numbers);
    codes = codes
      .map(({ h0, h1 }) => ({
        h0,
        h1,
        gain: granularGain(ungerboeckMachine('candidate', states, h0, h1), count),
      }))
      .sort((a, b) => b.gain - a.gain);
    codes = codes.slice(0, Math.max(1, Math.ceil(kept * codes.length)));
  }
  return codes;
}

async function main(args: readonly string[]): Promise<void> {
  const values = parseOptions(args, {
    states: { type: 'string' },
    candidates: { type: 'string' },
    seed: { type: 'string' },
  });
  const states = numberOption('states', values.states, 1024, [4, 1024]);
  const candidates = numberOption('candidates', values.candidates, 2000, [1, 1e6]);
  const seed = numberOption('seed', values.seed, 1, [0, 2 ** 31]);
  console.log('parity checks, octal   gain dB');
  for (const { h0, h1, gain } of searchCodes(states, candidates, seed)) {
    console.log(
      `${h0.toString(8).padStart(9)} ${h1.toString(8).padStart(9)} ${gain.toFixed(4).padStart(11)}`,
    );
  }
}

runAsScript(import.meta.url, main);
