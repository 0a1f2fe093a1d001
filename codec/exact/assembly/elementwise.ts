/**
 * Elementwise kernels. Operands are seen as rows x columns: element (r,c) of an operand lies `rowStep`*r +
 * `columnStep`*c floats from its start, columnStep being 0 (one value for the row) or 1 (dense). A whole tensor is
 * (columns, 1), one value per channel (1, 0), one plane for all channels (0, 1), a number (0, 0).
 *
 * A result may be written over an operand that has its very shape and address. max and min are those of
 * WebAssembly and Math.max: NaN wins, +0 is above -0.
 */

const ADD = 0;
const SUB = 1;
const MUL = 2;
const DIV = 3;
const MAX = 4;
const MIN = 5;
const FIRST = 6;

// @ts-ignore: decorator
@inline
function apply(op: i32, a: v128, b: v128): v128 {
  if (op == ADD) return f32x4.add(a, b);
  if (op == SUB) return f32x4.sub(a, b);
  if (op == MUL) return f32x4.mul(a, b);
  if (op == DIV) return f32x4.div(a, b);
  if (op == MAX) return f32x4.max(a, b);
  if (op == MIN) return f32x4.min(a, b);
  return a;
}

// @ts-ignore: decorator
@inline
function binary(
  op: i32,
  a: usize,
  aRow: usize,
  aColumn: usize,
  b: usize,
  bRow: usize,
  bColumn: usize,
  y: usize,
  rows: usize,
  columns: usize,
): void {
  const whole = columns & ~3;
  for (let r: usize = 0; r < rows; r++) {
    let pa = a + r * aRow * 4;
    let pb = b + r * bRow * 4;
    const end = y + columns * 4;
    const endOfFours = y + whole * 4;
    if (aColumn && bColumn) {
      for (; y < endOfFours; y += 16, pa += 16, pb += 16) {
        v128.store(y, apply(op, v128.load(pa), v128.load(pb)));
      }
    } else if (aColumn) {
      const vb = v128.load32_splat(pb);
      for (; y < endOfFours; y += 16, pa += 16) v128.store(y, apply(op, v128.load(pa), vb));
    } else if (bColumn) {
      const va = v128.load32_splat(pa);
      for (; y < endOfFours; y += 16, pb += 16) v128.store(y, apply(op, va, v128.load(pb)));
    } else {
      const v = apply(op, v128.load32_splat(pa), v128.load32_splat(pb));
      for (; y < endOfFours; y += 16) v128.store(y, v);
    }
    for (; y < end; y += 4, pa += aColumn * 4, pb += bColumn * 4) {
      store<f32>(y, f32x4.extract_lane(apply(op, v128.load32_zero(pa), v128.load32_zero(pb)), 0));
    }
  }
}

/* Each: element of a, element of b -> y [rows,columns], dense. */

export function add(
  a: usize, aRow: usize, aColumn: usize, b: usize, bRow: usize, bColumn: usize, y: usize, rows: usize, columns: usize,
): void {
  binary(ADD, a, aRow, aColumn, b, bRow, bColumn, y, rows, columns);
}

export function sub(
  a: usize, aRow: usize, aColumn: usize, b: usize, bRow: usize, bColumn: usize, y: usize, rows: usize, columns: usize,
): void {
  binary(SUB, a, aRow, aColumn, b, bRow, bColumn, y, rows, columns);
}

export function mul(
  a: usize, aRow: usize, aColumn: usize, b: usize, bRow: usize, bColumn: usize, y: usize, rows: usize, columns: usize,
): void {
  binary(MUL, a, aRow, aColumn, b, bRow, bColumn, y, rows, columns);
}

export function div(
  a: usize, aRow: usize, aColumn: usize, b: usize, bRow: usize, bColumn: usize, y: usize, rows: usize, columns: usize,
): void {
  binary(DIV, a, aRow, aColumn, b, bRow, bColumn, y, rows, columns);
}

export function max(
  a: usize, aRow: usize, aColumn: usize, b: usize, bRow: usize, bColumn: usize, y: usize, rows: usize, columns: usize,
): void {
  binary(MAX, a, aRow, aColumn, b, bRow, bColumn, y, rows, columns);
}

export function min(
  a: usize, aRow: usize, aColumn: usize, b: usize, bRow: usize, bColumn: usize, y: usize, rows: usize, columns: usize,
): void {
  binary(MIN, a, aRow, aColumn, b, bRow, bColumn, y, rows, columns);
}

/** y [rows,columns] = x, repeated as its steps say. */
export function broadcast(x: usize, row: usize, column: usize, y: usize, rows: usize, columns: usize): void {
  binary(FIRST, x, row, column, x, row, column, y, rows, columns);
}

const NEG = 0;
const ABS = 1;
const SQRT = 2;
const SQUARE = 3;
const ROUND = 4;
const LEAKY = 5;

// @ts-ignore: decorator
@inline
function applyUnary(op: i32, v: v128, k: v128): v128 {
  if (op == NEG) return f32x4.neg(v);
  if (op == ABS) return f32x4.abs(v);
  if (op == SQRT) return f32x4.sqrt(v);
  if (op == SQUARE) return f32x4.mul(v, v);
  if (op == ROUND) return f32x4.nearest(v);
  return f32x4.pmax(v, f32x4.mul(v, k));
}

// @ts-ignore: decorator
@inline
function unary(op: i32, x: usize, y: usize, count: usize, parameter: f32): void {
  const k = f32x4.splat(parameter);
  const end = y + count * 4;
  const endOfFours = y + (count & ~3) * 4;
  for (; y < endOfFours; y += 16, x += 16) v128.store(y, applyUnary(op, v128.load(x), k));
  for (; y < end; y += 4, x += 4) {
    store<f32>(y, f32x4.extract_lane(applyUnary(op, v128.load32_zero(x), k), 0));
  }
}

export function neg(x: usize, y: usize, count: usize): void {
  unary(NEG, x, y, count, 0);
}

export function abs(x: usize, y: usize, count: usize): void {
  unary(ABS, x, y, count, 0);
}

export function sqrt(x: usize, y: usize, count: usize): void {
  unary(SQRT, x, y, count, 0);
}

export function square(x: usize, y: usize, count: usize): void {
  unary(SQUARE, x, y, count, 0);
}

/** To the nearest whole number, halves to the even one. */
export function round(x: usize, y: usize, count: usize): void {
  unary(ROUND, x, y, count, 0);
}

/** x where x >= slope*x, else slope*x. */
export function leakyRelu(x: usize, y: usize, count: usize, slope: f32): void {
  unary(LEAKY, x, y, count, slope);
}

/** dy where y > 0, else slope*dy: the gradient of leakyRelu, y being its result. May be written over either. */
export function leakyReluGradient(dy: usize, y: usize, dx: usize, count: usize, slope: f32): void {
  const k = f32x4.splat(slope);
  const zero = f32x4.splat(0);
  const end = dx + count * 4;
  const endOfFours = dx + (count & ~3) * 4;
  for (; dx < endOfFours; dx += 16, dy += 16, y += 16) {
    const g = v128.load(dy);
    v128.store(dx, v128.bitselect(g, f32x4.mul(g, k), f32x4.gt(v128.load(y), zero)));
  }
  for (; dx < end; dx += 4, dy += 4, y += 4) {
    const g = load<f32>(dy);
    store<f32>(dx, load<f32>(y) > 0 ? g : g * slope);
  }
}
