/**
 * Binary arithmetic coder with adaptive contexts: a number between 0 and 1, known ever better as bins come.
 *
 * The coder holds an interval, its start `low` and its width `range` of nine bits (256 to 510 between bins). A
 * context's bin takes the upper part of `rareWidths` if it is the less probable one, the lower part otherwise; a
 * bypass bin takes a half. The stream is the interval's start after a terminating bin, then a 1, then zeros to the
 * end of the byte. Bytes that wait for a carry are held back: one byte and the 0xff after it.
 * Source: ISO/IEC 15938-17 (NNR), clause on arithmetic coding; the same engine as H.265 and H.266 have.
 */
import { FormatError } from '../../errors.js';
import { type Contexts, rareWidths } from './contexts.js';

/** Where bins go: an encoder, a counter, a learner. */
export interface BinSink {
  /** A bin, 0 or 1, under a context. */
  bin(context: number, bin: number): void;
  /** So many (0 to 31) equiprobable bins, the low bits of `value`, highest first. */
  bypass(value: number, count: number): void;
}

/**
 * Turns bins into bytes.
 *
 * @example
 * const encoder = new ArithmeticEncoder(new Contexts(1));
 * for (const bin of [1, 1, 0, 1, 1, 1, 1]) encoder.bin(0, bin);
 * encoder.bypass(5, 3);
 * Array.from(encoder.finish()); // => [44, 13, 192]
 */
export class ArithmeticEncoder implements BinSink {
  readonly contexts: Contexts;
  #bytes = new Uint8Array(1024);
  #length = 0;
  #low = 0;
  #range = 510;
  /** Bits of `low` above its nine that are free before a byte must go, plus 11. */
  #free = 23;
  /** The byte held back, and how many bytes are (it and 0xff after it). */
  #held = 0;
  #heldCount = 0;

  /** @param contexts which it changes as it codes */
  constructor(contexts: Contexts) {
    this.contexts = contexts;
  }

  bin(context: number, bin: number): void {
    const { contexts } = this;
    const state = contexts.state(context);
    const level = state >> 7;
    const width = rareWidths[8 * (level < 0 ? -level : level) + ((this.#range >> 5) & 7)];
    const likely = state >= 0 ? 1 : 0;
    let range = this.#range - width;
    let low = this.#low;
    if (bin !== likely) {
      low += range;
      range = width;
    }
    const shift = Math.clz32(range) - 23;
    this.#range = range << shift;
    this.#low = low << shift;
    this.#free -= shift;
    if (this.#free < 12) this.#moveByte();
    contexts.adapt(context, bin);
  }

  bypass(value: number, count: number): void {
    for (let bit = count - 1; bit >= 0; bit--) {
      this.#low <<= 1;
      if ((value >> bit) & 1) this.#low += this.#range;
      if (--this.#free < 12) this.#moveByte();
    }
  }

  /** Ends the stream; the encoder is of no use after. */
  finish(): Uint8Array {
    this.#low = (this.#low + this.#range - 2) << 7;
    this.#free -= 7;
    if (this.#free < 12) this.#moveByte();
    const carry = this.#low >>> (32 - this.#free);
    this.#release(carry);
    this.#low -= carry << (32 - this.#free);
    // What is left, without the eight lowest bits of nine, then the stop bit.
    const count = 25 - this.#free;
    const bits = ((this.#low >>> 8) << 1) | 1;
    for (let written = 0; written < count; written += 8) {
      const above = count - written - 8;
      this.#put(above >= 0 ? bits >> above : bits << -above);
    }
    return this.#bytes.slice(0, this.#length);
  }

  #moveByte(): void {
    const lead = this.#low >>> (24 - this.#free);
    this.#free += 8;
    this.#low &= 0xffffffff >>> this.#free;
    if (lead === 0xff) {
      this.#heldCount++;
      // The first byte of a stream is never 0xff, as the range starts below 512; so there is one to hold these back.
      return;
    }
    this.#release(lead >> 8);
    this.#held = lead & 0xff;
    this.#heldCount = 1;
  }

  /** Writes what was held back, with a carry into it or without. */
  #release(carry: number): void {
    if (this.#heldCount > 0) this.#put(this.#held + carry);
    for (let i = 1; i < this.#heldCount; i++) this.#put(0xff + carry);
    this.#heldCount = 0;
  }

  #put(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const grown = new Uint8Array(2 * this.#length);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes[this.#length++] = byte;
  }
}

/**
 * Reads what an `ArithmeticEncoder` wrote, with contexts that start as its did. Never reads outside its bytes:
 * those after the end count as zeros, and whoever needs more than two of them has a damaged stream.
 *
 * @example
 * const encoder = new ArithmeticEncoder(new Contexts(1));
 * encoder.bin(0, 1);
 * encoder.bypass(5, 3);
 * const decoder = new ArithmeticDecoder(encoder.finish(), new Contexts(1));
 * decoder.bin(0); // => 1
 * decoder.bypass(3); // => 5
 * decoder.finish();
 */
export class ArithmeticDecoder {
  readonly contexts: Contexts;
  readonly #bytes: Uint8Array;
  #position = 2;
  #value: number;
  #range = 510;
  /** Bits until the next byte, from -8 to -1. */
  #need = -8;

  /**
   * @param bytes exactly one stream
   * @throws FormatError for no bytes
   */
  constructor(bytes: Uint8Array, contexts: Contexts) {
    if (bytes.length === 0)
      throw new FormatError('Expected at least 1 byte for an arithmetic-coded stream, got 0');
    this.contexts = contexts;
    this.#bytes = bytes;
    this.#value = (bytes[0] << 8) | (bytes[1] ?? 0);
  }

  /**
   * The next bin under a context.
   *
   * @throws FormatError where the stream has ended
   */
  bin(context: number): number {
    const { contexts } = this;
    const state = contexts.state(context);
    const level = state >> 7;
    const width = rareWidths[8 * (level < 0 ? -level : level) + ((this.#range >> 5) & 7)];
    let bin = state >= 0 ? 1 : 0;
    let range = this.#range - width;
    if (this.#value >> 7 >= range) {
      this.#value -= range << 7;
      range = width;
      bin = 1 - bin;
    }
    const shift = Math.clz32(range) - 23;
    this.#range = range << shift;
    if (shift > 0) this.#shift(shift);
    contexts.adapt(context, bin);
    return bin;
  }

  /**
   * The next `count` (0 to 31) equiprobable bins.
   *
   * @throws FormatError where the stream has ended
   */
  bypass(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.#shift(1);
      const bit = this.#value >= this.#range << 7 ? 1 : 0;
      if (bit) this.#value -= this.#range << 7;
      value = (value << 1) | bit;
    }
    return value;
  }

  /**
   * Checks that the stream ends here.
   *
   * @throws FormatError where it does not, or where it does not end as encoders end it
   */
  finish(): void {
    // After the terminating bin the window begins one bit before the stop bit. The interval's start ends with eight
    // bits that were not written, the first of which may be 1: so the window lies 128 or 0 above it.
    const rest = this.#value - ((this.#range - 2) << 7);
    const shifts = 8 * this.#position + this.#need - 8;
    const length = Math.ceil((shifts + 9) / 8);
    const rightBits = rest === 0 || rest === 128;
    if (!rightBits || length !== this.#bytes.length) {
      throw new FormatError(
        `Expected an arithmetic-coded stream of ${this.#bytes.length} bytes to end as encoders end it, got ${rest < 0 ? 'more bins' : `an end after ${length} bytes`}`,
      );
    }
  }

  #shift(count: number): void {
    this.#value <<= count;
    this.#need += count;
    if (this.#need >= 0) {
      if (this.#position >= this.#bytes.length + 2) {
        throw new FormatError(
          `Expected more than ${this.#bytes.length} bytes for an arithmetic-coded stream: it ends too early`,
        );
      }
      const byte = this.#position < this.#bytes.length ? this.#bytes[this.#position] : 0;
      this.#value += byte << this.#need;
      this.#position++;
      this.#need -= 8;
    }
  }
}
