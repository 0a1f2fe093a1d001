/**
 * The header of a .tlc file (payload of its HEAD chunk) as one list of elements.
 *
 * Reading, writing, the byte count, the printed form and the table in docs/FORMAT.md all iterate over
 * `headerElements`; nothing else knows where a field stands. Fields are unsigned, most significant byte first,
 * and whole bytes wide. A value is its field times the element's unit (quality: 1/256, tile side: 64 pixels),
 * which is exact in binary. Idea: Cool-Chic's header.py.
 */

import { type CodecError, FormatError, UnsupportedError, UsageError } from '../../src/errors.js';
import { quantizerIds, quantizerName } from './quantizer-ids.js';

/** Version this library writes; it reads every minor version of this major version. */
export const formatVersion = Object.freeze({ major: 1, minor: 0 });

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
  /** 1 where the file has an ALPH chunk, else 0. */
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
  /** CRC32C over the tiles' latents checksums. */
  readonly latentsChecksum: number;
}

/** One field of the header. */
export interface HeaderElement {
  readonly name: keyof Header;
  /** Width of the field, a multiple of 8. */
  readonly bits: number;
  /** Value of one step of the field; 'hex' where the field is an opaque string of bytes. */
  readonly unit: number | 'hex';
  /** Smallest and largest field, both inclusive. */
  readonly min: number;
  readonly max: number;
  /** The only fields allowed, where a range says too little. */
  readonly only?: readonly number[];
  /** What the field says, for people. */
  readonly meaning: string;
}

const u16 = 0xffff;
const u32 = 0xffffffff;
const sideLimit = 0x7fffffff;

/** The header, field by field, in file order. */
export const headerElements: readonly HeaderElement[] = Object.freeze([
  { name: 'major', bits: 8, unit: 1, min: 0, max: 255, meaning: 'format version, major' },
  { name: 'minor', bits: 8, unit: 1, min: 0, max: 255, meaning: 'format version, minor' },
  { name: 'width', bits: 32, unit: 1, min: 1, max: sideLimit, meaning: 'picture width in pixels' },
  { name: 'height', bits: 32, unit: 1, min: 1, max: sideLimit, meaning: 'picture height in pixels' },
  { name: 'channels', bits: 8, unit: 1, min: 1, max: 3, only: [1, 3], meaning: '1 = gray, 3 = RGB' },
  { name: 'alpha', bits: 8, unit: 1, min: 0, max: 1, meaning: '1 = the file has an ALPH chunk' },
  { name: 'modelId', bits: 64, unit: 'hex', min: 0, max: 0, meaning: "start of the model's SHA-256" },
  { name: 'quality', bits: 16, unit: 1 / 256, min: 0, max: 25600, meaning: 'quality 0..100, times 256' },
  { name: 'quantizer', bits: 8, unit: 1, min: 0, max: 255, meaning: 'quantizer id, see Quantizers' },
  {
    name: 'quantizerParameter',
    bits: 16,
    unit: 1,
    min: 0,
    max: u16,
    meaning: '0 = default of the quantizer',
  },
  { name: 'tileSide', bits: 16, unit: 64, min: 0, max: u16, meaning: 'tile side / 64 pixels, 0 = one tile' },
  { name: 'latentsChecksum', bits: 32, unit: 1, min: 0, max: u32, meaning: 'CRC32C over the tile checksums' },
]);

/** Bytes of the header of version 1.0, the sum of its elements. */
export const headerBytes = headerElements.reduce((sum, element) => sum + element.bits, 0) / 8;

type ErrorClass = new (message: string) => CodecError;

/**
 * Read a header.
 *
 * @param payload payload of the HEAD chunk; longer than `headerBytes` only in a later minor version
 * @throws UnsupportedError for another major version or a quantizer id that is not registered
 * @throws FormatError where the payload has the wrong length or a field is out of range
 * @example
 * const fields = { width: 9, height: 5, channels: 3, modelId: '0011223344556677', quality: 50, quantizer: 17,
 *   alpha: 0, quantizerParameter: 0, tileSide: 0, latentsChecksum: 0, ...formatVersion };
 * readHeader(writeHeader(fields)).width; // => 9
 */
export function readHeader(payload: Uint8Array): Header {
  if (payload.length < 2) throw lengthError(payload.length);
  const [major, minor] = payload;
  if (major !== formatVersion.major) {
    throw new UnsupportedError(
      `file has format version ${major}.${minor}, this decoder reads version ${formatVersion.major}.x (up to ${formatVersion.major}.${formatVersion.minor} in full)`,
    );
  }
  const longer = payload.length > headerBytes && minor > formatVersion.minor;
  if (payload.length !== headerBytes && !longer) throw lengthError(payload.length);

  const values: Record<string, number | string> = {};
  let offset = 0;
  for (const element of headerElements) {
    const bytes = payload.subarray(offset, offset + element.bits / 8);
    values[element.name] =
      element.unit === 'hex'
        ? toHex(bytes)
        : checkedField(element, toField(bytes), FormatError) * element.unit;
    offset += bytes.length;
  }
  const header = values as unknown as Header;
  requireQuantizer(header.quantizer);
  return header;
}

/**
 * Write a header.
 *
 * @param header all fields, within the ranges of `headerElements`
 * @returns `headerBytes` bytes, the payload of the HEAD chunk
 * @throws UsageError where a value is out of range or between two steps of its field
 * @throws UnsupportedError for a version this library does not write or an unknown quantizer
 * @example
 * const fields = { width: 9, height: 5, channels: 3, modelId: '0011223344556677', quality: 50, quantizer: 17,
 *   alpha: 0, quantizerParameter: 0, tileSide: 0, latentsChecksum: 0, ...formatVersion };
 * writeHeader(fields).length; // => 31
 */
export function writeHeader(header: Header): Uint8Array {
  const { major, minor } = header;
  if (major !== formatVersion.major || minor !== formatVersion.minor) {
    throw new UnsupportedError(
      `format version ${major}.${minor} cannot be written, only ${formatVersion.major}.${formatVersion.minor}`,
    );
  }
  const payload = new Uint8Array(headerBytes);
  let offset = 0;
  for (const element of headerElements) {
    const bytes = payload.subarray(offset, offset + element.bits / 8);
    const value = header[element.name];
    if (element.unit === 'hex') putHex(bytes, element, value);
    else putField(bytes, checkedField(element, Number(value) / element.unit, UsageError));
    offset += bytes.length;
  }
  requireQuantizer(header.quantizer);
  return payload;
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
 * A header as text, one `name: value` line per element, for `codec info`.
 *
 * @example
 * const fields = { width: 9, height: 5, channels: 3, modelId: '0011223344556677', quality: 50, quantizer: 17,
 *   alpha: 0, quantizerParameter: 0, tileSide: 0, latentsChecksum: 255, ...formatVersion };
 * formatHeader(fields).split('\n').at(-1); // => 'latentsChecksum     0x000000ff'
 */
export function formatHeader(header: Header): string {
  const width = Math.max(...headerElements.map(({ name }) => name.length)) + 2;
  const text = ({ name }: HeaderElement): string => {
    const value = header[name];
    if (name === 'latentsChecksum') return `0x${Number(value).toString(16).padStart(8, '0')}`;
    if (name === 'quantizer') return `${value} (${quantizerName(Number(value)) ?? 'unknown'})`;
    return String(value);
  };
  return headerElements.map((element) => element.name.padEnd(width) + text(element)).join('\n');
}

/**
 * The table of elements in docs/FORMAT.md, as Markdown; a test compares the two.
 *
 * @example
 * headerTable().split('\n').length; // => 2 + headerElements.length
 */
export function headerTable(): string {
  const lines = ['| offset | bits | element | field | meaning |', '|---:|---:|---|---|---|'];
  let offset = 0;
  for (const element of headerElements) {
    lines.push(
      `| ${offset} | ${element.bits} | ${element.name} | ${expectation(element)} | ${element.meaning} |`,
    );
    offset += element.bits / 8;
  }
  return lines.join('\n');
}

function lengthError(length: number): FormatError {
  return new FormatError(`HEAD: expected ${headerBytes} bytes, got ${length}`);
}

function expectation({ unit, min, max, only }: HeaderElement): string {
  if (unit === 'hex') return 'any';
  return only ? only.join(' or ') : `${min}..${max}`;
}

function checkedField(element: HeaderElement, field: number, Class: ErrorClass): number {
  const { name, min, max, only, unit } = element;
  const inRange = Number.isInteger(field) && field >= min && field <= max;
  if (inRange && (!only || only.includes(field))) return field;
  const steps = unit === 1 ? '' : ` (in units of ${unit === 64 ? '64 pixels' : '1/256'})`;
  throw new Class(`header ${name}: expected ${expectation(element)}${steps}, got ${field}`);
}

function requireQuantizer(id: number): void {
  if (quantizerName(id) !== undefined) return;
  const known = Object.entries(quantizerIds).map(([name, known]) => `${known} ${name}`);
  throw new UnsupportedError(`header quantizer: expected one of ${known.join(', ')}, got unknown id ${id}`);
}

function toField(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

function putField(bytes: Uint8Array, field: number): void {
  for (let i = bytes.length - 1, rest = field; i >= 0; i--, rest = Math.floor(rest / 256))
    bytes[i] = rest % 256;
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function putHex(bytes: Uint8Array, { name, bits }: HeaderElement, value: number | string): void {
  if (typeof value !== 'string' || value.length !== bits / 4 || !/^[0-9a-f]*$/.test(value)) {
    throw new UsageError(`header ${name}: expected ${bits / 4} lower-case hex digits, got "${value}"`);
  }
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(value.slice(2 * i, 2 * i + 2), 16);
}
