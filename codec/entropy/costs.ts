/**
 * Costs in bits of table entries, for the encoder's rate-distortion search. Floats and logarithms live here, away
 * from the coder: no decoder reads a cost, so a last-bit difference between machines changes no stream's meaning.
 * Units: bits, float32; invariant: 0 <= cost <= 16, because frequencies are 1..65536 out of 65536.
 */

/**
 * Cost of every packed entry (`start | (frequency - 1) << 16`): 16 - log2(frequency).
 *
 * @param entries - packed entries, any length
 * @returns bits, aligned with `entries`
 * @example
 * Array.from(entryCosts(Uint32Array.of((16384 - 1) << 16))); // => [2]
 */
export function entryCosts(entries: Uint32Array): Float32Array {
  const costs = new Float32Array(entries.length);
  for (let i = 0; i < entries.length; i++) costs[i] = 16 - Math.log2((entries[i] >>> 16) + 1);
  return costs;
}
