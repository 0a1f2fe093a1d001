/** Numbers as readers of a report see them: signs as typographers write them, units, few digits. */

/** In cells that have no value. */
export const absent = '\u2013';

/**
 * A number with a true minus sign, and none before zeros.
 *
 * @example
 * numberText(-1.25, 1); // => "−1.3"
 */
export function numberText(value: number, digits: number): string {
  return value
    .toFixed(digits)
    .replace(/^-(?=.*[1-9])/, '\u2212')
    .replace(/^-/, '');
}

/**
 * The same with a plus sign before what is above zero.
 *
 * @example
 * signedText(0.5, 2); // => "+0.50"
 */
export function signedText(value: number, digits: number): string {
  const text = numberText(value, digits);
  return /^[^\u2212]*[1-9]/.test(text) ? `+${text}` : text;
}

/** Per cent with a sign. */
export function percentText(value: number, digits = 1): string {
  return `${signedText(value, digits)}\u202f%`;
}

/** A count of bytes with narrow spaces between thousands. */
export function bytesText(bytes: number): string {
  return `${String(Math.round(bytes)).replace(/\B(?=(\d{3})+$)/g, '\u202f')} bytes`;
}

/** Seconds, or milliseconds where there is less than a tenth of one. */
export function secondsText(seconds: number): string {
  if (seconds < 0.1) return `${(1000 * seconds).toPrecision(2)} ms`;
  return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(0)} s`;
}
