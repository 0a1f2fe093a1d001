/**
 * Computed codes: the value of a trellis state is a hash of its number, so that no table has to be stored.
 *
 * Values look like draws from a normal distribution of about unit variance, and neighbouring states share nothing,
 * which is what makes a good code of them. `1mad` is one multiplication and addition modulo 2^32 and the sum of the
 * result's four bytes; `3inst` takes two float16 numbers out of it. Integers and exact float arithmetic only, so
 * values are the same on every machine.
 * Source: A. Tseng et al., "QTIP: quantization with trellises and incoherence processing", 2024 (codes 1MAD and
 * 3INST).
 */
import { float16ToFloat32, float32ToFloat16 } from '../../io/half.js';

/** Names of the codes. */
export const bitshiftCodes = ['1mad', '3inst'] as const;

export type BitshiftCode = (typeof bitshiftCodes)[number];

/** Mean and spread of the sum of four bytes, the latter as the paper has it. */
const byteSumMean = 510;
const byteSumSpread = 147.800537109375;

function byteSumValues(states: Uint32Array): Float32Array {
  return Float32Array.from(states, (state) => {
    const hash = Math.imul(34038481, state) + 76625530;
    const sum = (hash & 255) + ((hash >>> 8) & 255) + ((hash >>> 16) & 255) + (hash >>> 24);
    return (sum - byteSumMean) / byteSumSpread;
  });
}

function halfPairValues(states: Uint32Array): Float32Array {
  const halves = new Uint16Array(2 * states.length);
  states.forEach((state, i) => {
    const hash = ((Math.imul(89226354, state) + 64248484) & 0x8fff8fff) ^ 0x3b603b60;
    halves[2 * i] = hash >>> 16;
    halves[2 * i + 1] = hash & 0xffff;
  });
  const values = float16ToFloat32(halves);
  return float16ToFloat32(
    float32ToFloat16(Float32Array.from(states, (_, i) => values[2 * i] + values[2 * i + 1])),
  );
}

/**
 * Values of states.
 *
 * @param states 16-bit numbers
 * @example
 * Array.from(codeValues('3inst', Uint32Array.of(0, 1))); // => [0.76806640625, -0.91943359375]
 */
export function codeValues(code: BitshiftCode, states: Uint32Array): Float32Array {
  return code === '1mad' ? byteSumValues(states) : halfPairValues(states);
}

const tables = new Map<string, Float32Array>();

/** Values of all states 0 to 2^stateBits - 1; kept for the next call. */
export function codeTable(code: BitshiftCode, stateBits: number): Float32Array {
  const key = `${code} ${stateBits}`;
  let table = tables.get(key);
  if (!table) {
    table = codeValues(
      code,
      Uint32Array.from({ length: 1 << stateBits }, (_, state) => state),
    );
    tables.set(key, table);
  }
  return table;
}
