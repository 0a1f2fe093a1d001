/**
 * Smooth curves through rate-distortion points, with exact integrals, for BD-rate.
 *
 * Every method ends as a piecewise cubic in Hermite form (values and slopes at knots); they differ in the slopes only.
 * A fitted cubic polynomial is the case of two knots, as end values and end slopes determine it.
 * Invariant: knots rise strictly; the callers (bd-rate.ts) check that.
 * Sources: Fritsch and Butland 1984 (PCHIP, end slopes of Moler 2004 as in MATLAB and SciPy); Akima 1970;
 * Bjontegaard, VCEG-M33 (least-squares cubic).
 */

/** A piecewise cubic: position, value and slope of each knot. */
export interface HermiteCurve {
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly slopes: readonly number[];
}

/** How to draw a curve through points. */
export const interpolations = ['pchip', 'akima', 'cubic'] as const;
export type Interpolation = (typeof interpolations)[number];

const differences = (values: readonly number[]): number[] =>
  values.slice(1).map((value, i) => value - values[i]);

/** Slope at an end from the two nearest pieces, held back where it would make the curve turn. */
function pchipEnd(h0: number, h1: number, secant0: number, secant1: number): number {
  const slope = ((2 * h0 + h1) * secant0 - h0 * secant1) / (h0 + h1);
  if (Math.sign(slope) !== Math.sign(secant0)) return 0;
  if (Math.sign(secant0) !== Math.sign(secant1) && Math.abs(slope) > 3 * Math.abs(secant0))
    return 3 * secant0;
  return slope;
}

/** Slopes that keep the curve monotone wherever the points are: weighted harmonic means of the secants. */
function pchipSlopes(x: readonly number[], y: readonly number[]): number[] {
  const h = differences(x);
  const secants = differences(y).map((dy, i) => dy / h[i]);
  const last = h.length - 1;
  if (last === 0) return [secants[0], secants[0]];
  const inner = secants.slice(1).map((right, i) => {
    const left = secants[i];
    if (left * right <= 0) return 0;
    const [w1, w2] = [2 * h[i + 1] + h[i], h[i + 1] + 2 * h[i]];
    return (w1 + w2) / (w1 / left + w2 / right);
  });
  return [
    pchipEnd(h[0], h[1], secants[0], secants[1]),
    ...inner,
    pchipEnd(h[last], h[last - 1], secants[last], secants[last - 1]),
  ];
}

/** Slopes between the neighbouring secants, nearer to the one whose other neighbour agrees with it. */
function akimaSlopes(x: readonly number[], y: readonly number[]): number[] {
  const h = differences(x);
  const secants = differences(y).map((dy, i) => dy / h[i]);
  const count = secants.length;
  if (count === 1) return [secants[0], secants[0]];
  // Two secants more on each side, extrapolated linearly.
  const before = 2 * secants[0] - secants[1];
  const after = 2 * secants[count - 1] - secants[count - 2];
  const m = [2 * before - secants[0], before, ...secants, after, 2 * after - secants[count - 1]];
  const left = x.map((_, i) => Math.abs(m[i + 3] - m[i + 2]));
  const right = x.map((_, i) => Math.abs(m[i + 1] - m[i]));
  const largest = Math.max(...left.map((value, i) => value + right[i]));
  return x.map((_, i) => {
    const total = left[i] + right[i];
    if (total <= 1e-9 * largest) return (m[i + 1] + m[i + 2]) / 2;
    return (left[i] * m[i + 1] + right[i] * m[i + 2]) / total;
  });
}

/** Solves a small symmetric positive system by Gaussian elimination with pivoting, in place. */
function solve(matrix: number[][], values: number[]): number[] {
  const size = values.length;
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++) {
      if (Math.abs(matrix[row][column]) > Math.abs(matrix[pivot][column])) pivot = row;
    }
    [matrix[column], matrix[pivot]] = [matrix[pivot], matrix[column]];
    [values[column], values[pivot]] = [values[pivot], values[column]];
    for (let row = column + 1; row < size; row++) {
      const factor = matrix[row][column] / matrix[column][column];
      for (let k = column; k < size; k++) matrix[row][k] -= factor * matrix[column][k];
      values[row] -= factor * values[column];
    }
  }
  const solution = new Array<number>(size).fill(0);
  for (let row = size - 1; row >= 0; row--) {
    let rest = values[row];
    for (let k = row + 1; k < size; k++) rest -= matrix[row][k] * solution[k];
    solution[row] = rest / matrix[row][row];
  }
  return solution;
}

/** Least-squares polynomial of degree 3 between the first and the last point. */
function cubicFit(x: readonly number[], y: readonly number[]): HermiteCurve {
  const [low, high] = [x[0], x[x.length - 1]];
  const half = (high - low) / 2;
  // Positions in [-1,1], where the normal equations are well conditioned.
  const t = x.map((value) => (value - low) / half - 1);
  const powers = [0, 1, 2, 3];
  const matrix = powers.map((i) =>
    powers.map((j) => t.reduce((total, value) => total + value ** (i + j), 0)),
  );
  const values = powers.map((i) => t.reduce((total, value, n) => total + value ** i * y[n], 0));
  const [a, b, c, d] = solve(matrix, values);
  return {
    x: [low, high],
    y: [a - b + c - d, a + b + c + d],
    slopes: [(b - 2 * c + 3 * d) / half, (b + 2 * c + 3 * d) / half],
  };
}

/**
 * The curve through (or, for 'cubic', near) points whose x rise strictly; at least two, for 'cubic' four.
 *
 * @example
 * valueAt(interpolate([0, 1, 2], [0, 1, 2], 'pchip'), 0.5); // => 0.5
 */
export function interpolate(x: readonly number[], y: readonly number[], method: Interpolation): HermiteCurve {
  if (method === 'cubic') return cubicFit(x, y);
  return { x, y, slopes: method === 'akima' ? akimaSlopes(x, y) : pchipSlopes(x, y) };
}

/** Index of the piece that holds `at`; positions outside belong to the outer pieces. */
function pieceOf({ x }: HermiteCurve, at: number): number {
  let piece = 0;
  while (piece < x.length - 2 && at > x[piece + 1]) piece++;
  return piece;
}

/** Coefficients of the piece as a polynomial in the distance from its left knot. */
function coefficients({ x, y, slopes }: HermiteCurve, i: number): [number, number, number, number] {
  const h = x[i + 1] - x[i];
  const secant = (y[i + 1] - y[i]) / h;
  const quadratic = (3 * secant - 2 * slopes[i] - slopes[i + 1]) / h;
  const cubic = (slopes[i] + slopes[i + 1] - 2 * secant) / h ** 2;
  return [y[i], slopes[i], quadratic, cubic];
}

/** Value of a curve at a position between its ends. */
export function valueAt(curve: HermiteCurve, at: number): number {
  const piece = pieceOf(curve, at);
  const [a, b, c, d] = coefficients(curve, piece);
  const t = at - curve.x[piece];
  return a + t * (b + t * (c + t * d));
}

/**
 * Integral of a curve over [from, to] within its ends; exact up to rounding.
 *
 * @example
 * integral(interpolate([0, 1, 2], [0, 1, 2], 'akima'), 0, 2); // => 2
 */
export function integral(curve: HermiteCurve, from: number, to: number): number {
  let total = 0;
  for (let piece = pieceOf(curve, from); piece <= pieceOf(curve, to); piece++) {
    const left = curve.x[piece];
    const last = piece === curve.x.length - 2;
    const start = Math.max(from, left) - left;
    const end = (last ? to : Math.min(to, curve.x[piece + 1])) - left;
    const [a, b, c, d] = coefficients(curve, piece);
    const primitive = (t: number): number => t * (a + t * (b / 2 + t * (c / 3 + (t * d) / 4)));
    total += primitive(end) - primitive(start);
  }
  return total;
}
