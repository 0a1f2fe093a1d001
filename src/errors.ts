/**
 * The few error classes of this project. Everything a caller may want to tell apart is one of these; every
 * message is one line that says what was expected, for what, and what came.
 */

/** Base of all errors raised on purpose; `name` is the class name, stable across bundlers. */
export abstract class CodecError extends Error {
  abstract override readonly name: string;
}

/** The caller asked for something that makes no sense (bad option, wrong shape, missing file). */
export class UsageError extends CodecError {
  override readonly name = 'UsageError';
}

/** Bytes do not follow the format they claim to follow. */
export class FormatError extends CodecError {
  override readonly name = 'FormatError';
}

/** Bytes follow the format but a checksum or a final coder state does not match: damage. */
export class IntegrityError extends CodecError {
  override readonly name = 'IntegrityError';
}

/** The file was made with another model than the one given. */
export class ModelMismatchError extends CodecError {
  override readonly name = 'ModelMismatchError';
}

/** A valid request or file that this version, machine or build cannot serve. */
export class UnsupportedError extends CodecError {
  override readonly name = 'UnsupportedError';
}

/**
 * A name from a file as a message in one line can have it: control characters are escaped.
 *
 * @example
 * printable('a\nb'); // => "a\\u000ab"
 */
export function printable(name: string): string {
  return name.replace(
    /[\p{Cc}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
