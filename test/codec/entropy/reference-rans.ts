/**
 * The readable twin of codec/entropy/rans.ts: textbook rANS on BigInt, one operation at a time, no typed arrays.
 * An operation is [start, frequency] out of 65536.
 */
const LOWEST = 1n << 23n;

export function referenceEncode(operations: readonly (readonly [number, number])[]): Uint8Array {
  const reversed: number[] = [];
  let state = LOWEST;
  for (const [start, frequency] of operations.toReversed()) {
    const f = BigInt(frequency);
    while (state >= f << 15n) {
      reversed.push(Number(state & 255n));
      state >>= 8n;
    }
    state = ((state / f) << 16n) + BigInt(start) + (state % f);
  }
  for (let i = 0; i < 4; i++) {
    reversed.push(Number(state & 255n));
    state >>= 8n;
  }
  return Uint8Array.from(reversed.reverse());
}
