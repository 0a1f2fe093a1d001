/**
 * The bitshift trellis: a state is the last bits of a string, so that a sequence of values is stored as a string of
 * bits, a fixed number per value, and decoded anywhere by looking at a window of it.
 *
 * With L bits of state and k bits per value, the state after value t is `((before << k) mod 2^L) | code`, code
 * being k new bits. The string is a ring (tail-biting): the first window begins where the last value's new bits
 * end, so T values take k T bits, no more.
 * Source: A. Tseng et al., "QTIP", 2024.
 */
/** Bits of a state that are supported, and of a value. */
export const stateBitsRange = [6, 16] as const;
export const valueBitsRange = [1, 4] as const;

/** Fewest values of a ring: fewer could not fill its window. */
export const leastLength = (stateBits: number, valueBits: number): number => Math.ceil(stateBits / valueBits);

/**
 * States of a ring of codes.
 *
 * @example
 * Array.from(ringStates(Uint8Array.of(1, 2, 3), 4, 2)); // => [13, 6, 11]
 */
export function ringStates(codes: Uint8Array, stateBits: number, valueBits: number): Uint32Array {
  const mask = (1 << stateBits) - 1;
  let state = 0;
  for (let t = codes.length - leastLength(stateBits, valueBits); t < codes.length; t++) {
    state = ((state << valueBits) | codes[t]) & mask;
  }
  return Uint32Array.from(codes, (code) => {
    state = ((state << valueBits) | code) & mask;
    return state;
  });
}

/**
 * Writes a ring's bits, highest first: those of the first state, then the new ones of each later state as far as
 * the first state does not hold them already.
 *
 * @param start bit to begin at
 */
export function writeRing(
  codes: Uint8Array,
  stateBits: number,
  valueBits: number,
  bytes: Uint8Array,
  start: number,
): void {
  const length = codes.length * valueBits;
  // The first code ends the first state.
  const shift = stateBits - valueBits;
  for (let bit = 0; bit < length; bit++) {
    const at = (bit + length - (shift % length)) % length;
    const code = codes[Math.floor(at / valueBits)];
    const value = (code >> (valueBits - 1 - (at % valueBits))) & 1;
    // Not `>> 3`: bits of large tensors are more than 2^31.
    if (value) bytes[Math.floor((start + bit) / 8)] |= 0x80 >> ((start + bit) % 8);
  }
}

/** Reads what `writeRing` wrote: so many codes from bit `start` on. */
export function readRing(
  bytes: Uint8Array,
  start: number,
  count: number,
  stateBits: number,
  valueBits: number,
): Uint8Array {
  const length = count * valueBits;
  const codes = new Uint8Array(count);
  for (let t = 0; t < count; t++) {
    for (let i = 0; i < valueBits; i++) {
      const bit = start + ((t * valueBits + i + stateBits - valueBits) % length);
      codes[t] = (codes[t] << 1) | ((bytes[Math.floor(bit / 8)] >> (7 - (bit % 8))) & 1);
    }
  }
  return codes;
}
