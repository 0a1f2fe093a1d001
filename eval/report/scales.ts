/**
 * Scales: from values to positions on paper, with ticks at round numbers.
 *
 * Units: domains in the data's units, ranges in pixels of the drawing. A range may run backwards, as y axes do.
 * Invariant: ticks lie within the domain, rise, and their labels have as many decimals as their distance needs.
 */

import { numberText } from './numbers.js';

/** An axis's mapping. */
export interface Scale {
  readonly domain: readonly [number, number];
  /** Position of a value; values outside the domain lie outside the range. */
  at(value: number): number;
  readonly ticks: readonly Tick[];
}

/** A place on an axis. */
export interface Tick {
  readonly value: number;
  /** Absent where a line helps the eye but a number would not fit. */
  readonly label?: string;
}

type Interval = readonly [number, number];

/** The round distance (1, 2, 2.5 or 5 times a power of ten) that gives at most `most` ticks. */
function roundStep(span: number, most: number): number {
  const rough = span / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 2.5, 5, 10].find((candidate) => candidate * power >= rough * (1 - 1e-9)) ?? 10;
  return factor * power;
}

const decimalsOf = (step: number): number => {
  let digits = 0;
  while (digits < 6 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) digits++;
  return digits;
};

/**
 * Equal differences are equal distances.
 *
 * @param most most ticks that fit
 * @example
 * linearScale([0, 10], [0, 100], 5).ticks.map(({ label }) => label); // => ["0","2","4","6","8","10"]
 */
export function linearScale(domain: Interval, range: Interval, most: number): Scale {
  const [low, high] = domain;
  const step = roundStep(high - low, most);
  const digits = decimalsOf(step);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return {
    domain,
    at: (value) => range[0] + ((value - low) / (high - low)) * (range[1] - range[0]),
    ticks: Array.from({ length: last - first + 1 }, (_, i) => {
      const value = (first + i) * step;
      return { value, label: numberText(value, digits) };
    }),
  };
}

/** Digits of ticks within a decade, from few to many; a list is used if its labels fit. */
const decadeDigits: readonly (readonly number[])[] = [
  [1, 2, 3, 4, 5, 6, 7, 8, 9],
  [1, 2, 3, 5, 7],
  [1, 2, 5],
  [1, 3],
  [1],
];

const log10 = (value: number): number => Math.log10(value);

function decadeTicks([low, high]: Interval, digits: readonly number[]): number[] {
  const ticks: number[] = [];
  for (let decade = Math.floor(log10(low)); decade <= Math.ceil(log10(high)); decade++) {
    for (const digit of digits) {
      const value = Number(`${digit}e${decade}`);
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) ticks.push(value);
    }
  }
  return ticks;
}

/**
 * Equal ratios are equal distances.
 *
 * @param domain both ends above 0
 * @param most most labels that fit; further ticks have none
 * @example
 * logScale([0.1, 10], [0, 200], 3).ticks.filter(({ label }) => label).map(({ label }) => label); // => ["0.1","1","10"]
 */
export function logScale(domain: Interval, range: Interval, most: number): Scale {
  const [low, high] = [log10(domain[0]), log10(domain[1])];
  const labelled = new Set(
    decadeDigits.map((digits) => decadeTicks(domain, digits)).find((ticks) => ticks.length <= most) ?? [],
  );
  return {
    domain,
    at: (value) => range[0] + ((log10(value) - low) / (high - low)) * (range[1] - range[0]),
    ticks: decadeTicks(domain, decadeDigits[0]).map((value) =>
      labelled.has(value) ? { value, label: String(value) } : { value },
    ),
  };
}
