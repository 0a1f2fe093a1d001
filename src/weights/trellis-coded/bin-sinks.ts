/**
 * What encoders do with bins besides coding them: price them, and let contexts learn them.
 *
 * Prices are integers, in 2^-15 bit, so that the last bit of a logarithm, which differs between machines, cannot
 * change a decision.
 */
import type { BinSink } from './arithmetic-coder.js';
import { Contexts, rareWidths } from './contexts.js';
import { putLevel } from './levels.js';

/** Units of a bit in prices. */
export const pricePerBit = 32768;

/** Prices of a 0 and a 1 at `2 * ((S >> shift) + offset) + bin`, in 2^-15 bit. */
export interface PriceTable {
  readonly prices: Int32Array;
  readonly shift: number;
  readonly offset: number;
}

/**
 * What bins cost in a stream: minus log2 of the part of the range, averaged over ranges that are as frequent as
 * their inverse.
 */
export const streamPrices = ((): PriceTable => {
  const prices = new Int32Array(128);
  for (let row = 1; row < 64; row++) {
    const level = row - 32;
    let [rare, common, weights] = [0, 0, 0];
    for (let range = 256; range < 512; range++) {
      const width = rareWidths[8 * Math.abs(level) + ((range >> 5) & 7)];
      rare -= Math.log2(width / range) / range;
      common -= Math.log2(1 - width / range) / range;
      weights += 1 / range;
    }
    const likely = level >= 0 ? 1 : 0;
    prices[2 * row + likely] = Math.round((pricePerBit * common) / weights);
    prices[2 * row + 1 - likely] = Math.round((pricePerBit * rare) / weights);
  }
  return { prices, shift: 7, offset: 32 };
})();

/** Price of a bin under a context in state S. */
export const priceOf = ({ prices, shift, offset }: PriceTable, state: number, bin: number): number =>
  prices[2 * ((state >> shift) + offset) + bin];

const none = new Contexts(0);

/** Adds up what bins cost under contexts that do not learn them. */
export class Pricer implements BinSink {
  readonly #table: PriceTable;
  readonly #flags: number;
  #contexts = none;
  #price = 0;

  /** @param flags magnitude flags of the levels */
  constructor(table: PriceTable, flags: number) {
    this.#table = table;
    this.#flags = flags;
  }

  bin(context: number, bin: number): void {
    this.#price += priceOf(this.#table, this.#contexts.state(context), bin);
  }

  bypass(_value: number, count: number): void {
    this.#price += count * pricePerBit;
  }

  /** Price of a level, in 2^-15 bit. */
  priceOf(contexts: Contexts, level: number, state: number, trace: number): number {
    this.#contexts = contexts;
    this.#price = 0;
    putLevel(this, level, state, trace, this.#flags);
    return this.#price;
  }
}

/** Makes contexts learn bins. */
export class Learner implements BinSink {
  contexts: Contexts;

  constructor(contexts: Contexts = none) {
    this.contexts = contexts;
  }

  bin(context: number, bin: number): void {
    this.contexts.adapt(context, bin);
  }

  bypass(): void {}
}
