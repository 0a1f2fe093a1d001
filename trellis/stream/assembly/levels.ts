/**
 * The decoder of streams of levels: same bins, same contexts, same levels as `decodeLevels` in ../levels.ts with
 * ../arithmetic-coder.ts and ../contexts.ts, which say what every step means.
 *
 * The caller (../levels-kernel.ts) lays out memory and writes the tables; all addresses are multiples of 16.
 */

const SIGN_CONTEXTS: i32 = 24;
const MAGNITUDE_CONTEXTS: i32 = 27;
const MAGNITUDE_FLAGS: i32 = 11;
const PREFIX_CONTEXTS: i32 = 49;
const SETTABLE_CONTEXTS: i32 = 81;
const SET_CONTEXT: i32 = 83;
const CONTEXT_COUNT: i32 = 85;
const LARGEST_LEVEL: i32 = 1 << 29;

// Where things lie in the tables, in bytes.
const MOVEMENT: usize = 256;
const INITIAL_SETS: usize = 384;
const NEXT: usize = 544;

// Where things lie in a context of 16 bytes.
const SLOW: usize = 4;
const FAST_SHIFT: usize = 8;
const SLOW_SHIFT: usize = 12;

let tables: usize = 0;
let contexts: usize = 0;
let bytes: usize = 0;
let length: i32 = 0;
let position: i32 = 0;
let value: i32 = 0;
let range: i32 = 0;
let need: i32 = 0;
let ended: bool = false;

// @ts-ignore: decorator
@inline
function start(context: i32, set: i32): void {
  const at = contexts + (<usize>context << 4);
  const from = tables + (<usize>set << 4);
  const fast = load<i32>(from, INITIAL_SETS + 12);
  store<i32>(at, fast);
  store<i32>(at, load<i32>(from, INITIAL_SETS + 8) - 16 * fast, SLOW);
  store<i32>(at, load<i32>(from, INITIAL_SETS) + 4, FAST_SHIFT);
  store<i32>(at, load<i32>(from, INITIAL_SETS + 4), SLOW_SHIFT);
}

// @ts-ignore: decorator
@inline
function shiftIn(count: i32): void {
  value <<= count;
  need += count;
  if (need >= 0) {
    if (position < length) value += <i32>load<u8>(bytes + position) << need;
    else if (position >= length + 2) ended = true;
    position++;
    need -= 8;
  }
}

// @ts-ignore: decorator
@inline
function bin(context: i32): i32 {
  const at = contexts + (<usize>context << 4);
  const fast = load<i32>(at);
  const slow = load<i32>(at, SLOW);
  const state = slow + 16 * fast;
  const level = state >> 7;
  const width = <i32>load<u8>(tables + 8 * (level < 0 ? -level : level) + ((range >> 5) & 7));
  let result: i32 = state >= 0 ? 1 : 0;
  let rest = range - width;
  if (value >> 7 >= rest) {
    value -= rest << 7;
    rest = width;
    result ^= 1;
  }
  const shift = clz(rest) - 23;
  range = rest << shift;
  if (shift > 0) shiftIn(shift);
  // Movement towards 1, or away from it with all signs turned.
  const sign = 2 * result - 1;
  const fastStep = load<i32>(tables + (<usize>(16 + ((sign * fast) >> 3)) << 2), MOVEMENT);
  const slowStep = load<i32>(tables + (<usize>(16 + ((sign * slow) >> 7)) << 2), MOVEMENT);
  store<i32>(at, fast + sign * (fastStep >> load<i32>(at, FAST_SHIFT)));
  store<i32>(at, slow + sign * (slowStep >> load<i32>(at, SLOW_SHIFT)), SLOW);
  return result;
}

function bypass(count: i32): i32 {
  let bits: i32 = 0;
  for (let i = 0; i < count; i++) {
    shiftIn(1);
    const bit: i32 = value >= range << 7 ? 1 : 0;
    if (bit) value -= range << 7;
    bits = (bits << 1) | bit;
  }
  return bits;
}

/** What lies above the magnitude flags, at least 1; a magnitude that no level has where the code is too long. */
function beyondFlags(): i32 {
  let width: i32 = 0;
  while (bin(PREFIX_CONTEXTS + width)) if (++width > 29) return LARGEST_LEVEL;
  return (1 << width) + bypass(width);
}

/**
 * Decodes a stream.
 *
 * @param stream its `size` bytes, at least one
 * @param levels room for `count` int32
 * @param dependent 1 where levels drive the trellis, else 0
 * @param table what ../levels-kernel.ts writes
 * @param room 16 bytes for each context
 * @returns 1 where exactly so many levels were decoded, 0 where the stream is damaged
 */
export function decode(
  stream: usize,
  size: i32,
  levels: usize,
  count: i32,
  dependent: i32,
  table: usize,
  room: usize,
): i32 {
  tables = table;
  contexts = room;
  bytes = stream;
  length = size;
  position = 2;
  value = (<i32>load<u8>(stream) << 8) | (size > 1 ? <i32>load<u8>(stream, 1) : 0);
  range = 510;
  need = -8;
  ended = false;
  for (let context = 0; context < CONTEXT_COUNT; context++) start(context, 0);
  for (let context = 0; context < SETTABLE_CONTEXTS; context++) {
    if (!dependent && context >= 3 && context < SIGN_CONTEXTS) continue;
    const set = bin(SET_CONTEXT) ? 1 + bypass(3) : 0;
    start(context, set);
  }
  let state: i32 = 0;
  let trace: i32 = 0;
  for (let n = 0; n < count; n++) {
    let level: i32 = 0;
    if (bin(3 * state + trace)) {
      const negative = bin(SIGN_CONTEXTS + trace);
      const first = MAGNITUDE_CONTEXTS + negative;
      level = 1;
      while (level <= MAGNITUDE_FLAGS && bin(first + 2 * (level - 1))) level++;
      if (level > MAGNITUDE_FLAGS) {
        level += beyondFlags() - 1;
        if (<u32>level > <u32>LARGEST_LEVEL) return 0;
      }
      trace = 2 - negative;
      if (negative) level = -level;
    } else {
      trace = 0;
    }
    if (ended) return 0;
    store<i32>(levels + (<usize>n << 2), level);
    if (dependent) state = <i32>load<u8>(tables + 2 * state + (level & 1), NEXT);
  }
  const rest = value - ((range - 2) << 7);
  const used = (8 * position + need + 8) >> 3;
  return (rest == 0 || rest == 128) && used == length ? 1 : 0;
}
