/**
 * The header of a .tlc file as one list of elements.
 *
 * Reading, writing, the byte count, the printed form and the table in docs/FORMAT.md all iterate over `headerElements`;
 * nothing else knows where a field stands. Fields are unsigned: of whole bytes, most significant byte first, or varints.
 * An element with a flag has its usual value where the flag is 0, and takes no bytes then. A value is its field times the
 * element's unit (quality: 1/256, tile side: 64 pixels), which is exact in binary. Idea: Cool-Chic's header.py.
 */

import { type CodecError, FormatError, UnsupportedError, UsageError } from '../../src/errors.js';
import { quantizerIds, quantizerName } from './quantizer-ids.js';
import { readVarint, varint, varintLimit } from './varint.js';

/** Version this library writes; it reads every minor version of this major version. */
export const formatVersion = Object.freeze({ major: 2, minor: 0 });

/** Everything a decoder must know before the first tile. */
export interface Header {
  /** Format version; another major version is another format. */
  readonly major: number;
  readonly minor: number;
  /** Size of the picture in pixels, 1..2^31-1 each. */
  readonly width: number;
  readonly height: number;
  /** Colour channels: 1 gray, 3 RGB. */
  readonly channels: number;
  /** 1 where the file has an alpha chunk, else 0. */
  readonly alpha: number;
  /** First 8 bytes of the SHA-256 of the decoder's tensors and tables, as 16 lower-case hex digits. */
  readonly modelId: string;
  /** Quality 0..100 in steps of 1/256. */
  readonly quality: number;
  /** Id of the quantizer of the latents (`quantizerIds`). */
  readonly quantizer: number;
  /** Parameter of that quantizer, 0..65535; 0 means its default. */
  readonly quantizerParameter: number;
  /** Side of a tile in pixels, a multiple of 64; 0 for one tile that is the whole picture. */
  readonly tileSide: number;
}

/** One field of the header. */
export interface HeaderElement {
  /** `flags` says which other elements are there, and is no value of its own. */
  readonly name: keyof Header | 'flags';
  /** Width of the field, a multiple of 8, or a number of variable length; 0 where the element's flag says it all. */
  readonly bits: number | 'varint';
  /** Bit of `flags` that must be set for the element to differ from `usual`. */
  readonly flag?: number;
  /** Value where that bit is 0. */
  readonly usual?: number;
  /** Value of one step of the field; 'hex' where the field is an opaque string of bytes. */
  readonly unit: number | 'hex';
  /** Smallest and largest field, both inclusive. */
  readonly min: number;
  readonly max: number;
  /** What the field says, for people. */
  readonly meaning: string;
}

const u16 = 0xffff;
const side = { bits: 'varint', unit: 1, min: 1, max: varintLimit } as const;
const optional = { bits: 16, usual: 0, min: 1, max: u16 } as const;

/** The header, field by field, in file order. */
export const headerElements: readonly HeaderElement[] = Object.freeze([
  { name: 'major', bits: 8, unit: 1, min: 0, max: 255, meaning: 'format version, major' },
  { name: 'minor', bits: 8, unit: 1, min: 0, max: 255, meaning: 'format version, minor' },
  { name: 'flags', bits: 8, unit: 1, min: 0, max: 15, meaning: 'bits 0 (least significant) to 3' },
  { name: 'channels', bits: 0, flag: 0, usual: 3, unit: 1, min: 1, max: 1, meaning: '1 = gray, 3 = RGB' },
  { name: 'alpha', bits: 0, flag: 1, usual: 0, unit: 1, min: 1, max: 1, meaning: '1 = the file has alpha' },
  { name: 'width', ...side, meaning: 'picture width in pixels' },
  { name: 'height', ...side, meaning: 'picture height in pixels' },
  { name: 'modelId', bits: 64, unit: 'hex', min: 0, max: 0, meaning: "start of the model's SHA-256" },
  { name: 'quality', bits: 16, unit: 1 / 256, min: 0, max: 25600, meaning: 'quality 0..100, times 256' },
  { name: 'quantizer', bits: 8, unit: 1, min: 0, max: 255, meaning: 'quantizer id, see Quantizers' },
  { name: 'quantizerParameter', ...optional, flag: 2, unit: 1, meaning: '0 = default of the quantizer' },
  { name: 'tileSide', ...optional, flag: 3, unit: 64, meaning: 'tile side / 64 pixels, 0 = one tile' },
]);

/** Bytes of the shortest header: elements with a flag left out, varints of one byte. */
export const leastHeaderBytes = headerElements
  .filter(({ flag }) => flag === undefined)
  .reduce((sum, { bits }) => sum + (bits === 'varint' ? 1 : bits / 8), 0);

type ErrorClass = new (message: string) => CodecError;

/**
 * Read a header.
 *
 * @param payload the header's bytes; more than its elements take only in a later minor version
 * @throws UnsupportedError for another major version, an unknown flag or a quantizer id that is not registered
 * @throws FormatError where the payload has the wrong length or a field is out of range
 * @example
 * const fields = { width: 9, height: 5, channels: 3, modelId: '0011223344556677', quality: 50, quantizer: 17,
 *   alpha: 0, quantizerParameter: 0, tileSide: 0, ...formatVersion };
 * readHeader(writeHeader(fields)).width; // => 9
 */
export function readHeader(payload: Uint8Array): Header {
  const [major, minor] = payload;
  if (payload.length >= 2 && major !== formatVersion.major) throw otherVersion(`${major}.${minor}`);
  const values: Record<string, number | string> = {};
  let offset = 0;
  for (const element of headerElements) {
    if (element.flag !== undefined && !(Number(values.flags) & (1 << element.flag))) {
      values[element.name] = element.usual!;
      continue;
    }
    const { value, end } = readElement(element, payload, offset);
    values[element.name] = value;
    offset = end;
  }
  if (payload.length !== offset && minor <= formatVersion.minor) {
    throw new FormatError(`HEAD: expected ${offset} bytes, got ${payload.length}`);
  }
  const { flags: _, ...header } = values as unknown as Header & { flags: number };
  requireQuantizer(header.quantizer);
  return header;
}

/**
 * Write a header.
 *
 * @param header all fields, within the ranges of `headerElements`
 * @returns the shortest bytes that say it
 * @throws UsageError where a value is out of range or between two steps of its field
 * @throws UnsupportedError for a version this library does not write or an unknown quantizer
 * @example
 * const fields = { width: 9, height: 5, channels: 3, modelId: '0011223344556677', quality: 50, quantizer: 17,
 *   alpha: 0, quantizerParameter: 0, tileSide: 0, ...formatVersion };
 * writeHeader(fields).length; // => 16
 */
export function writeHeader(header: Header): Uint8Array {
  const { major, minor } = header;
  if (major !== formatVersion.major || minor !== formatVersion.minor) {
    throw new UnsupportedError(
      `format version ${major}.${minor} cannot be written, only ${formatVersion.major}.${formatVersion.minor}`,
    );
  }
  const values = { ...header, flags: 0 };
  const written = headerElements.filter(
    ({ name, flag, usual }) => flag === undefined || values[name] !== usual,
  );
  for (const { flag } of written) if (flag !== undefined) values.flags |= 1 << flag;
  const bytes = written.flatMap((element) => Array.from(elementBytes(element, values[element.name])));
  requireQuantizer(header.quantizer);
  return Uint8Array.from(bytes);
}

/** The error of a reader that meets another major version. */
export function otherVersion(version: string): UnsupportedError {
  const { major, minor } = formatVersion;
  return new UnsupportedError(
    `file has format version ${version}, this decoder reads version ${major}.x (up to ${major}.${minor} in full)`,
  );
}

/**
 * The nearest quality a file can hold. Encoders must use the result, not the wish, for everything that depends
 * on quality, because the decoder sees only the result.
 *
 * @param quality 0..100
 * @returns 0..100 in steps of 1/256
 * @throws UsageError outside 0..100
 * @example
 * snapQuality(33.3); // => 8525 / 256
 */
export function snapQuality(quality: number): number {
  if (!(quality >= 0 && quality <= 100)) throw new UsageError(`quality: expected 0..100, got ${quality}`);
  return Math.round(quality * 256) / 256;
}

/**
 * A header as text, one line per value with its name in front.
 *
 * @example
 * const fields = { width: 9, height: 5, channels: 3, modelId: '0011223344556677', quality: 50, quantizer: 17,
 *   alpha: 0, quantizerParameter: 0, tileSide: 0, ...formatVersion };
 * formatHeader(fields).split('\n').at(-1); // => 'tileSide            0'
 */
export function formatHeader(header: Header): string {
  const width = Math.max(...headerElements.map(({ name }) => name.length)) + 2;
  return headerElements
    .flatMap(({ name }) => {
      if (name === 'flags') return [];
      const known = name === 'quantizer' ? ` (${quantizerName(header.quantizer) ?? 'unknown'})` : '';
      return [`${name.padEnd(width)}${header[name]}${known}`];
    })
    .join('\n');
}

/**
 * The table of elements in docs/FORMAT.md, as Markdown; a test compares the two.
 *
 * @example
 * headerTable().split('\n').length; // => 2 + headerElements.length
 */
export function headerTable(): string {
  const lines = [
    '| bits | element | flag | field | without flag | meaning |',
    '|---:|---|---:|---|---:|---|',
  ];
  for (const element of headerElements) {
    const { bits, name, flag = '', usual = '', meaning } = element;
    lines.push(`| ${bits} | ${name} | ${flag} | ${range(element)} | ${usual} | ${meaning} |`);
  }
  return lines.join('\n');
}

function range({ unit, min, max }: HeaderElement): string {
  if (unit === 'hex') return 'any';
  return min === max ? `${min}` : `${min}..${max}`;
}

/** The value of an element whose field starts at an offset, and the offset behind it. */
function readElement(
  element: HeaderElement,
  payload: Uint8Array,
  offset: number,
): { value: number | string; end: number } {
  const { name, bits, unit, min } = element;
  if (bits === 'varint') {
    const { value: field, end } = readVarint(payload, offset, `header ${name}`);
    return { value: fieldValue(element, field), end };
  }
  const end = offset + bits / 8;
  if (end > payload.length) {
    throw new FormatError(`HEAD: expected at least ${end} bytes, for ${name}, got ${payload.length}`);
  }
  const bytes = payload.subarray(offset, end);
  if (unit === 'hex') return { value: toHex(bytes), end };
  const field = bits === 0 ? min : bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  return { value: fieldValue(element, field), end };
}

function fieldValue(element: HeaderElement, field: number): number {
  if (element.name === 'flags') requireKnownFlags(element, field);
  return checkedField(element, field, FormatError) * Number(element.unit);
}

/** Bits above the largest number of known flags mean nothing yet, and may mean anything later. */
function requireKnownFlags({ max }: HeaderElement, field: number): void {
  const unknown = [...'01234567'].filter((bit) => field & ~max & (1 << Number(bit)));
  if (unknown.length === 0) return;
  throw new UnsupportedError(
    `header flags: expected no others than bits 0 to 3, got bit ${unknown.join(', ')}: a later version made the file`,
  );
}

function elementBytes(element: HeaderElement, value: number | string): Uint8Array {
  const { bits, unit } = element;
  if (unit === 'hex') return hexBytes(element, value);
  const field = checkedField(element, Number(value) / unit, UsageError);
  if (bits === 'varint') return varint(field);
  return Uint8Array.from({ length: bits / 8 }, (_, i) => field >>> (bits - 8 - 8 * i));
}

function checkedField(element: HeaderElement, field: number, Class: ErrorClass): number {
  const { name, min, max, unit, usual } = element;
  if (Number.isInteger(field) && field >= min && field <= max) return field;
  const expected =
    Class === UsageError && usual !== undefined ? `${usual} or ${range(element)}` : range(element);
  const steps = unit === 1 ? '' : ` (in units of ${unit === 64 ? '64 pixels' : '1/256'})`;
  throw new Class(`header ${name}: expected ${expected}${steps}, got ${field}`);
}

function requireQuantizer(id: number): void {
  if (quantizerName(id) !== undefined) return;
  const known = Object.entries(quantizerIds).map(([name, known]) => `${known} ${name}`);
  throw new UnsupportedError(`header quantizer: expected one of ${known.join(', ')}, got unknown id ${id}`);
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function hexBytes({ name, bits }: HeaderElement, value: number | string): Uint8Array {
  const digits = Number(bits) / 4;
  if (typeof value !== 'string' || value.length !== digits || !/^[0-9a-f]*$/.test(value)) {
    throw new UsageError(`header ${name}: expected ${digits} lower-case hex digits, got "${value}"`);
  }
  return Uint8Array.from({ length: digits / 2 }, (_, i) =>
    Number.parseInt(value.slice(2 * i, 2 * i + 2), 16),
  );
}
