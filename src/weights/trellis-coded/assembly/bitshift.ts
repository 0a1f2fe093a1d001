/**
 * The forward pass of the search on a bitshift trellis with SIMD: same sums, same ties, same decisions as
 * `TypedPass` in ../bitshift-search.ts. Four groups of states at a time; a group are the states that a shift makes
 * equal but for new bits.
 *
 * The caller (../bitshift-kernel.ts) lays out memory; all addresses are multiples of 16.
 */

/**
 * Costs of all states after a sequence, and the best way into each group before each value but the first.
 *
 * @param values of all 2^stateBits states, float32
 * @param sequence `count` values, at least one; NaN where any will do
 * @param costs room for 2^stateBits float32: costs of states in the end
 * @param before costs of groups at the start, 2^(stateBits - valueBits) float32; overwritten
 * @param after room for as many
 * @param ways room for `count` times as many bytes
 */
export function search(
  values: usize,
  sequence: usize,
  count: i32,
  stateBits: i32,
  valueBits: i32,
  costs: usize,
  before: usize,
  after: usize,
  ways: usize,
): void {
  const groups: i32 = 1 << (stateBits - valueBits);
  const members: i32 = 1 << valueBits;
  const states: i32 = 1 << stateBits;
  for (let t = 0; t < count - 1; t++) {
    const sample = f32x4.splat(load<f32>(sequence + (<usize>t << 2)));
    // All ones where the sample is a number.
    const counts = f32x4.eq(sample, sample);
    const into = ways + <usize>(t + 1) * groups;
    for (let group = 0; group < groups; group += 4) {
      let least = f32x4.splat(Infinity);
      let best = i32x4.splat(0);
      for (let way = 0; way < members; way++) {
        const state = way * groups + group;
        const cost = extend(values, before, state, valueBits, sample, counts);
        const closer = f32x4.lt(cost, least);
        least = v128.bitselect(cost, least, closer);
        best = v128.bitselect(i32x4.splat(way), best, closer);
      }
      v128.store(after + (<usize>group << 2), least);
      const bytes = i8x16.shuffle(best, best, 0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
      v128.store_lane<i32>(into + group, bytes, 0);
    }
    const swapped = before;
    before = after;
    after = swapped;
  }
  const sample = f32x4.splat(load<f32>(sequence + (<usize>(count - 1) << 2)));
  const counts = f32x4.eq(sample, sample);
  for (let state = 0; state < states; state += 4) {
    v128.store(costs + (<usize>state << 2), extend(values, before, state, valueBits, sample, counts));
  }
}

/** Costs of four neighbouring states after a sample. */
// @ts-ignore: decorator
@inline
function extend(values: usize, before: usize, state: i32, valueBits: i32, sample: v128, counts: v128): v128 {
  const error = v128.and(f32x4.sub(v128.load(values + (<usize>state << 2)), sample), counts);
  const from = before + (<usize>(state >> valueBits) << 2);
  let cost: v128;
  if (valueBits == 1) {
    const pair = v128.load64_zero(from);
    cost = v128.shuffle<i32>(pair, pair, 0, 0, 1, 1);
  } else {
    cost = v128.load32_splat(from);
  }
  return f32x4.add(cost, f32x4.mul(error, error));
}
