/** Escape codes: all of int32, exact lengths, damaged codes. */
import { describe, expect, it } from 'vitest';
import { escapeBits, getEscape, putEscape } from '../../../codec/entropy/index.js';
import { FormatError } from '../../../src/errors.js';
import { Random } from './random.js';

class BitQueue {
  readonly bits: number[] = [];

  putBits(value: number, count: number): void {
    for (let i = count - 1; i >= 0; i--) this.bits.push((value >> i) & 1);
  }

  getBits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) value = 2 * value + (this.bits.shift() ?? 0);
    return value;
  }
}

function expectRoundTrip(value: number, first: number, last: number): void {
  const queue = new BitQueue();
  putEscape(queue, value, first, last);
  expect(queue.bits.length).toBe(escapeBits(value, first, last));
  expect(getEscape(queue, first, last)).toBe(value);
  expect(queue.bits).toEqual([]);
}

function code(bits: string): BitQueue {
  const queue = new BitQueue();
  for (const bit of bits) queue.putBits(Number(bit), 1);
  return queue;
}

describe('escape codes', () => {
  it('are Elias-gamma of the distance after a sign', () => {
    const queue = new BitQueue();
    putEscape(queue, 10, -3, 3);
    expect(queue.bits.join('')).toBe('000111');
    putEscape(queue, -4, -3, 3);
    expect(queue.bits.join('')).toBe('00011111');
  });

  it('bring back values at every distance and at the ends of int32', () => {
    for (const [first, last] of [
      [-3, 3],
      [5, 4],
      [2 ** 30, 2 ** 30],
      [-(2 ** 30), -(2 ** 30) - 1],
    ]) {
      for (let power = 0; power < 31; power++) {
        for (const distance of [2 ** power - 1, 2 ** power, 2 ** power + 1]) {
          if (distance > 0 && last + distance < 2 ** 31) expectRoundTrip(last + distance, first, last);
          if (distance > 0 && first - distance >= -(2 ** 31)) expectRoundTrip(first - distance, first, last);
        }
      }
      expectRoundTrip(2 ** 31 - 1, first, last);
      expectRoundTrip(-(2 ** 31), first, last);
    }
  });

  it('bring back random values', () => {
    const random = new Random(21);
    for (let i = 0; i < 5000; i++) {
      const value = (random.uint32() | 0) >> random.below(28);
      if (value < -9 || value > 9) expectRoundTrip(value, -9, 9);
    }
  });

  it('refuse a prefix of more than 31 zeros and values beyond int32', () => {
    expect(() => getEscape(code(`0${'0'.repeat(32)}1`), 0, 0)).toThrow(FormatError);
    expect(() => getEscape(code(`0${'0'.repeat(31)}1${'1'.repeat(31)}`), 0, 0)).toThrow(FormatError);
    expect(() => getEscape(code(`1${'0'.repeat(31)}1${'0'.repeat(30)}1`), 0, 0)).toThrow(FormatError);
    expect(getEscape(code(`1${'0'.repeat(31)}1${'0'.repeat(31)}`), 0, 0)).toBe(-(2 ** 31));
  });
});
