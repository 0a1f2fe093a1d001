/**
 * The search of viterbi-integer.ts with SIMD: same costs, same ties, same decisions (../fixed-point.ts defines all
 * numbers, ../butterflies.ts the labels of states). Written in three passes over blocks of latents:
 *
 *     branches   four costs per latent, one v128; notes where the candidates start and which lanes zero (or, near zero,
 *                the other sign) won. Candidates are neighbours on the grid, so their prices are one load.
 *     extend     add, compare, select: each v128 holds four path costs, one survivor bit per state is stored
 *     trace      from the cheapest final state back, turning notes into indices
 *
 * Lane and subset: 2 * quantizer + parity. Skipped latents take no part: notes and survivors are those of coded latents.
 * The caller (../viterbi.ts) lays out memory; all addresses are multiples of 16.
 */

const LATENT_BITS = 12;
const ONE: i32 = 1 << LATENT_BITS;
const NEAR: f64 = 32768; // 8 steps
const WEIGHT_BITS = 22;
const UNIT_WEIGHT: f64 = 4194304; // 2^WEIGHT_BITS
const COST_LIMIT: f64 = 67108864; // 2^26
const FIXED_LIMIT: f64 = 4398046511104; // 2^30 steps
const UNREACHED: i32 = 11 << 26;
/** Latents per block, a multiple of the 16 after which path costs are brought down. */
const BLOCK: i32 = 256;

// Where things lie in what the caller prepared.
const TABLE_BYTES: usize = 128;
const ALTERNATIVES: usize = 16; // per sign: near, far
const ESCAPES: usize = 80;
const LAST: usize = 96;
const ROTATIONS: usize = 0;
const EVEN: usize = 64;

let settings: usize = 0;
let costs: usize = 0;
let costBits: i32 = 0;
let perBit: i32 = 0;
let mostPrice: i32 = 0;
let perStep: f64 = 0;
let perWeight: f64 = 0;
let zeroUnit: f64 = 0;
let total: i64 = 0;

/** Price of grid integer i, 1 or more, of sign s (0, 1) under the table at `row`. */
function gridPrice(row: usize, s: usize, i: i32): i32 {
  if (i < load<i32>(row, 8)) return load<i32>(load<usize>(row + s * 4) + (<usize>i << 2));
  const at = row + ((s << 1) | (i & 1)) * 4;
  const beyond = <i32>((<u32>i + 1) >> 1) - load<i32>(at, LAST);
  return min(mostPrice, load<i32>(at, ESCAPES) + perBit * (31 - clz<i32>(beyond)));
}

/** Squared errors (below 2^31) times the weight, rounded, in units of cost. */
// @ts-ignore: decorator
@inline
function distortion(error: v128, weighted: bool, weight: v128, half: v128, shift: i32): v128 {
  const square = i32x4.mul(error, error);
  if (!weighted) return i32x4.shr_u(i32x4.add(square, half), shift);
  const low = i64x2.shr_u(i64x2.add(i64x2.extmul_low_i32x4_u(square, weight), half), shift);
  const high = i64x2.shr_u(i64x2.add(i64x2.extmul_high_i32x4_u(square, weight), half), shift);
  return v128.shuffle<i32>(low, high, 0, 2, 4, 6);
}

/** What the last call of `branches` stopped at. */
let position: i32 = 0;

/**
 * Costs of the branches of the next coded latents, at most BLOCK. Starts at latent `position` and leaves it at the next
 * one. Returns how many were coded, or -1 where latent `position` makes no sense.
 */
// @ts-ignore: decorator
@inline
function branches(
  weighted: bool,
  count: i32,
  latents: usize,
  tableIndices: usize,
  tableCount: u32,
  skip: usize,
  weights: usize,
  starts: usize,
  alternatives: usize,
  metrics: usize,
): i32 {
  const shift = weighted ? 2 * LATENT_BITS + WEIGHT_BITS - costBits : 2 * LATENT_BITS - costBits;
  const half = weighted ? i64x2.splat(<i64>1 << (shift - 1)) : i32x4.splat(1 << (shift - 1));
  const candidates = i32x4(0, ONE, 2 * ONE, 3 * ONE);
  const others = i32x4(0, 2 * ONE, 0, ONE);
  let coded = 0;
  let n = position;
  for (; n < count && coded < BLOCK; n++) {
    if (skip && load<u8>(skip + n)) continue;
    const x = <f64>load<f32>(latents + (<usize>n << 2));
    const scaled = floor<f64>(abs<f64>(x) * perStep + 0.5);
    const t = tableIndices ? <u32>load<u8>(tableIndices + n) : 0;
    let w = UNIT_WEIGHT;
    if (weighted) {
      const given = <f64>load<f32>(weights + (<usize>n << 2));
      w = floor<f64>(given * perWeight + 0.5);
      if (!(given >= 0 && w <= UNIT_WEIGHT)) {
        coded = -1;
        break;
      }
    }
    if (!(scaled < FIXED_LIMIT) || t >= tableCount) {
      coded = -1;
      break;
    }
    const weight = weighted ? i32x4.splat(<i32>w) : half;
    const row = costs + <usize>t * TABLE_BYTES;
    const s = <usize>(x < 0);
    let first: i32;
    let m: v128;
    let alternative: v128;
    if (scaled < NEAR) {
      const a = <i32>scaled;
      first = max(1, (a >> LATENT_BITS) - 1);
      const error = i32x4.sub(i32x4.splat(a - (first << LATENT_BITS)), candidates);
      const prices = v128.load(load<usize>(row + s * 4) + (<usize>first << 2));
      m = i32x4.add(distortion(error, weighted, weight, half, shift), prices);
      const otherPrices = v128.load(row + (s << 5) + (<usize>(a >= 2 * ONE) << 4), ALTERNATIVES);
      const otherErrors = i32x4.add(i32x4.splat(a), others);
      alternative = i32x4.add(distortion(otherErrors, weighted, weight, half, shift), otherPrices);
    } else {
      const steps = <i32>(scaled / <f64>ONE);
      first = steps - 1;
      const error = i32x4.sub(i32x4.splat(ONE + <i32>(scaled - <f64>steps * <f64>ONE)), candidates);
      const prices =
        first + 3 < load<i32>(row, 8)
          ? v128.load(load<usize>(row + s * 4) + (<usize>first << 2))
          : i32x4(
              gridPrice(row, s, first),
              gridPrice(row, s, first + 1),
              gridPrice(row, s, first + 2),
              gridPrice(row, s, first + 3),
            );
      m = i32x4.add(distortion(error, weighted, weight, half, shift), prices);
      const zero = <i32>min<f64>(COST_LIMIT, floor<f64>(scaled * scaled * w * zeroUnit + 0.5));
      alternative = i32x4.add(i32x4.splat(zero), v128.load(row, ALTERNATIVES + 16));
    }
    m = i8x16.swizzle(m, v128.load(settings + (<usize>(first & 3) << 4), ROTATIONS));
    store<i32>(starts + (<usize>coded << 2), s ? -first : first);
    store<u8>(alternatives + coded, i32x4.bitmask(i32x4.lt_s(alternative, m)));
    v128.store(metrics + (<usize>coded << 4), i32x4.min_s(m, alternative));
    coded++;
  }
  position = n;
  return coded;
}

/** Least of the four lanes, in all of them. */
// @ts-ignore: decorator
@inline
function leastLane(v: v128): v128 {
  const pair = i32x4.min_s(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return i32x4.min_s(pair, v128.shuffle<i32>(pair, pair, 1, 0, 3, 2));
}

function extend4(metrics: usize, coded: i32, paths: usize, survivors: usize): void {
  const even = v128.load(settings, EVEN);
  const odd = v128.load(settings, EVEN + 16);
  let a = v128.load(paths);
  for (let i = 0; i < coded; i++) {
    const m = v128.load(metrics + (<usize>i << 4));
    const e = i32x4.add(v128.shuffle<i32>(a, a, 0, 2, 0, 2), i8x16.swizzle(m, even));
    const o = i32x4.add(v128.shuffle<i32>(a, a, 1, 3, 1, 3), i8x16.swizzle(m, odd));
    store<u8>(survivors + i, i32x4.bitmask(i32x4.lt_s(o, e)));
    a = i32x4.min_s(e, o);
    if ((i & 15) == 15) {
      const least = leastLane(a);
      total += i32x4.extract_lane(least, 0);
      a = i32x4.sub(a, least);
    }
  }
  v128.store(paths, a);
}

function extend8(metrics: usize, coded: i32, paths: usize, survivors: usize): void {
  const even = v128.load(settings, EVEN);
  const odd = v128.load(settings, EVEN + 16);
  let a = v128.load(paths);
  let b = v128.load(paths, 16);
  for (let i = 0; i < coded; i++) {
    const m = v128.load(metrics + (<usize>i << 4));
    const x = i8x16.swizzle(m, even);
    const y = i8x16.swizzle(m, odd);
    const e = v128.shuffle<i32>(a, b, 0, 2, 4, 6);
    const o = v128.shuffle<i32>(a, b, 1, 3, 5, 7);
    const e0 = i32x4.add(e, x);
    const o0 = i32x4.add(o, y);
    const e1 = i32x4.add(e, y);
    const o1 = i32x4.add(o, x);
    store<u8>(survivors + i, i32x4.bitmask(i32x4.lt_s(o0, e0)) | (i32x4.bitmask(i32x4.lt_s(o1, e1)) << 4));
    a = i32x4.min_s(e0, o0);
    b = i32x4.min_s(e1, o1);
    if ((i & 15) == 15) {
      const least = leastLane(i32x4.min_s(a, b));
      total += i32x4.extract_lane(least, 0);
      a = i32x4.sub(a, least);
      b = i32x4.sub(b, least);
    }
  }
  v128.store(paths, a);
  v128.store(paths, b, 16);
}

/**
 * 16 states or more: `groups` times eight. Path costs change between two places; the result is in `paths` again. Survivors of the
 * lower half of the labels lie before those of the upper half, 32 of each at a time.
 */
function extendMany(metrics: usize, coded: i32, groups: usize, paths: usize, survivors: usize): void {
  const half = groups << 4;
  let from = paths;
  let to = paths + 2 * half;
  for (let i = 0; i < coded; i++) {
    const m = v128.load(metrics + (<usize>i << 4));
    const at = survivors + <usize>i * groups;
    for (let first: usize = 0; first < groups; first += 8) {
      const end = min(groups, first + 8);
      let low: u32 = 0;
      let high: u32 = 0;
      for (let g = first; g < end; g++) {
        const x = i8x16.swizzle(m, v128.load(settings + (g << 4), EVEN));
        const y = i8x16.swizzle(m, v128.load(settings + half + (g << 4), EVEN));
        const a = v128.load(from + (g << 5));
        const b = v128.load(from + (g << 5), 16);
        const e = v128.shuffle<i32>(a, b, 0, 2, 4, 6);
        const o = v128.shuffle<i32>(a, b, 1, 3, 5, 7);
        const e0 = i32x4.add(e, x);
        const o0 = i32x4.add(o, y);
        const e1 = i32x4.add(e, y);
        const o1 = i32x4.add(o, x);
        const place = <i32>((g - first) << 2);
        low |= i32x4.bitmask(i32x4.lt_s(o0, e0)) << place;
        high |= i32x4.bitmask(i32x4.lt_s(o1, e1)) << place;
        v128.store(to + (g << 4), i32x4.min_s(e0, o0));
        v128.store(to + half + (g << 4), i32x4.min_s(e1, o1));
      }
      if (groups == 2) store<u16>(at, <u16>(low | (high << 8)));
      else if (groups == 4) store<u32>(at, low | (high << 16));
      else {
        store<u32>(at + (first >> 1), low);
        store<u32>(at + (first >> 1) + (groups >> 1), high);
      }
    }
    const swap = from;
    from = to;
    to = swap;
    if ((i & 15) == 15) bringDown(from, groups);
  }
  if (from != paths) memory.copy(paths, from, 2 * half);
}

function bringDown(paths: usize, groups: usize): void {
  let least = v128.load(paths);
  for (let v: usize = 1; v < 2 * groups; v++) least = i32x4.min_s(least, v128.load(paths + (v << 4)));
  least = leastLane(least);
  total += i32x4.extract_lane(least, 0);
  for (let v: usize = 0; v < 2 * groups; v++) {
    v128.store(paths + (v << 4), i32x4.sub(v128.load(paths + (v << 4)), least));
  }
}

/** Replaces the starts of candidates by indices, in place: what is written lies behind what is still to be read. */
function trace(
  count: i32,
  coded: i32,
  states: i32,
  label: i32,
  skip: usize,
  indices: usize,
  alternatives: usize,
  survivors: usize,
): void {
  const subsets = settings + EVEN + (<usize>max(1, states >> 3) << 5);
  const bytes: usize = max(1, states >> 3);
  const mask = states - 1;
  for (let n = count - 1; n >= 0; n--) {
    const to = indices + (<usize>n << 2);
    if (skip && load<u8>(skip + n)) {
      store<i32>(to, 0);
      continue;
    }
    coded--;
    const ways = <i32>load<u8>(survivors + <usize>coded * bytes + (label >> 3));
    const bit = (ways >> (label & 7)) & 1;
    const subset = <i32>load<u8>(subsets + ((label << 1) | bit));
    label = ((label << 1) & mask) | bit;
    const start = load<i32>(indices + (<usize>coded << 2));
    const sign = start >> 31;
    const first = (start ^ sign) - sign;
    // Grid integers modulo 4 of the subsets: 0, 2, 3, 1.
    const i = first + (((0x78 >> (subset << 1)) - first) & 3);
    const k = (((i + 1) >> 1) ^ sign) - sign;
    const other = subset & 1 ? ~(sign << 1) : 0;
    store<i32>(to, (load<u8>(alternatives + coded) >> subset) & 1 ? other : k);
  }
}

/**
 * Finds the cheapest indices.
 *
 * count latents (f32); tableIndices, skip (u8) and weights (f32) may be 0: none. indices (i32), alternatives (u8) and
 * survivors (max(1, states/8) bytes each) have room for count. scratch: BLOCK v128 and 2 * states i32.
 * machine: four rotations (v128), masks of the even, then of the odd ways in (v128 each per eight states), subsets (u8).
 * tables: 128 bytes each; price and step parameters as in ../fixed-point.ts. The cost goes to result (f64, in units).
 * Returns -1, or the first latent that makes no sense.
 */
export function search(
  count: i32,
  latents: usize,
  tableIndices: usize,
  skip: usize,
  weights: usize,
  indices: usize,
  alternatives: usize,
  survivors: usize,
  scratch: usize,
  machine: usize,
  states: i32,
  start: i32,
  tables: usize,
  tableCount: u32,
  bits: i32,
  bitPairPrice: i32,
  most: i32,
  stepFactor: f64,
  weightFactor: f64,
  unit: f64,
  result: usize,
): i32 {
  settings = machine;
  costs = tables;
  costBits = bits;
  perBit = bitPairPrice;
  mostPrice = most;
  perStep = stepFactor;
  perWeight = weightFactor;
  zeroUnit = unit;
  total = 0;
  position = 0;

  const paths = scratch + (<usize>BLOCK << 4);
  for (let z = 0; z < states; z++) store<i32>(paths + (<usize>z << 2), z == start ? 0 : UNREACHED);

  const bytes = <usize>max(1, states >> 3);
  let coded = 0;
  while (position < count) {
    const starts = indices + (<usize>coded << 2);
    const notes = alternatives + coded;
    const block = weights
      ? branches(true, count, latents, tableIndices, tableCount, skip, weights, starts, notes, scratch)
      : branches(false, count, latents, tableIndices, tableCount, skip, 0, starts, notes, scratch);
    if (block < 0) return position;
    const bits = survivors + <usize>coded * bytes;
    if (states == 8) extend8(scratch, block, paths, bits);
    else if (states == 4) extend4(scratch, block, paths, bits);
    else extendMany(scratch, block, <usize>states >> 3, paths, bits);
    coded += block;
  }

  let label = 0;
  for (let z = 1; z < states; z++) {
    if (load<i32>(paths + (<usize>z << 2)) < load<i32>(paths + (<usize>label << 2))) label = z;
  }
  store<f64>(result, <f64>(total + load<i32>(paths + (<usize>label << 2))));
  trace(count, coded, states, label, skip, indices, alternatives, survivors);
  return -1;
}
