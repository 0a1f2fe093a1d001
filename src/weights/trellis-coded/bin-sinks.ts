/**
 * What encoders do with bins besides coding them: price them, and let contexts learn them.
 */
import type { BinSink } from './arithmetic-coder.js';
import { binPrices, Contexts, pricePerBit } from './contexts.js';
import { putLevel } from './levels.js';

/** Prices of a 0 and a 1 at `2 * ((S >> shift) + offset) + bin`, in 2^-15 bit. */
export interface PriceTable {
  readonly prices: Int32Array;
  readonly shift: number;
  readonly offset: number;
}

/** What bins cost in a stream. */
export const streamPrices: PriceTable = { prices: binPrices, shift: 7, offset: 32 };

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
    const { prices, shift, offset } = this.#table;
    this.#price += prices[2 * ((this.#contexts.state(context) >> shift) + offset) + bin];
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
