/**
 * Complementary error function and normal probabilities in float64, accurate relative to their value also far in
 * the tails, which is what table building needs. Build time only: results differ in the last bits between
 * JavaScript engines (Math.exp), so tables are made once and shipped as integers.
 * Method: the all-positive series of erf below 2, the continued fraction of erfc from 2 on (NIST DLMF 7.6.2, 7.9.1).
 */

const SQRT_PI = Math.sqrt(Math.PI);
const SWITCH = 2;
const FRACTION_TERMS = 120;

/**
 * erfc(x) = 2/sqrt(pi) * integral of exp(-t^2) from x to infinity, relative error below 1e-13 for x < 26.
 *
 * @param x - any finite number
 * @example
 * erfc(3).toPrecision(12); // => "0.0000220904969986"
 */
export function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x);
  const scale = Math.exp(-x * x) / SQRT_PI;
  if (x < SWITCH) {
    // erf(x) = 2/sqrt(pi) exp(-x^2) sum over n of 2^n x^(2n+1) / (1 3 5 ... (2n+1))
    let term = x;
    let sum = x;
    for (let n = 1; term > sum * 1e-18; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - 2 * scale * sum;
  }
  // erfc(x) = exp(-x^2)/sqrt(pi) * 1/(x + (1/2)/(x + (2/2)/(x + (3/2)/(x + ...))))
  let fraction = x;
  for (let n = FRACTION_TERMS; n >= 1; n--) fraction = x + n / 2 / fraction;
  return scale / fraction;
}

/**
 * Probability that a standard normal variable exceeds `x`.
 *
 * @example
 * normalTail(0); // => 0.5
 */
export function normalTail(x: number): number {
  return 0.5 * erfc(x * Math.SQRT1_2);
}

/**
 * Probability that round(N(0, sigma^2)) is the integer `k`.
 *
 * @param k - any integer
 * @param sigma - standard deviation, above 0
 * @example
 * roundedNormalProbability(0, 1).toFixed(6); // => "0.382925"
 */
export function roundedNormalProbability(k: number, sigma: number): number {
  if (k === 0) return 1 - 2 * normalTail(0.5 / sigma);
  const distance = Math.abs(k);
  return normalTail((distance - 0.5) / sigma) - normalTail((distance + 0.5) / sigma);
}
