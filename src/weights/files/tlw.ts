/**
 * The .tlw format, version 1.0: a checkpoint as schemes pack it (docs/WEIGHTS.md, exact to the bit).
 *
 * Signature, then chunks of type (4 bytes), length of the payload (64 bit), payload, CRC32C over type and payload. HEAD
 * first, META where there is metadata, one TENS per tensor, INDX with the heads and places of all, TEND last, of fixed
 * size, with the place of INDX: a reader goes from the end of the file to any tensor. Numbers are unsigned, most
 * significant byte first.
 */

import { FormatError, IntegrityError, UnsupportedError, UsageError } from '../../errors.js';
import { crc32c } from '../../io/crc32c.js';

/** The first eight bytes of every file: 0x8B "TLW" CR LF SUB LF. */
export const tlwSignature: readonly number[] = Object.freeze([
  0x8b, 0x54, 0x4c, 0x57, 0x0d, 0x0a, 0x1a, 0x0a,
]);

/** Bytes of a chunk before its payload and after it. */
export const chunkHead = 12;
export const chunkTail = 4;

/** Bytes of the TEND chunk. */
export const endBytes = chunkHead + 8 + chunkTail;

const version = { major: 1, minor: 0 } as const;
const mostTensors = 1 << 20;
const mostSides = 16;

/** What a file says of a tensor besides its data. */
export interface TlwHead {
  readonly name: string;
  /** Element type before quantization, or of the bytes of a kept tensor. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Name of the scheme that packed the data; empty where the tensor was kept as it was. */
  readonly scheme: string;
}

/** Where a tensor's chunk is. */
export interface TlwEntry extends TlwHead {
  /** First byte of the chunk in the file. */
  readonly offset: number;
  /** Bytes of the chunk's payload. */
  readonly length: number;
}

function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function shortText(text: string, what: string): Uint8Array {
  if (!/^[ -~]{0,255}$/.test(text)) {
    throw new UsageError(`tlw: expected at most 255 printable ASCII characters for ${what}, got '${text}'`);
  }
  return joined([Uint8Array.of(text.length), ascii(text)]);
}

/** The head of a tensor, as TENS and INDX have it. */
export function tlwHeadBytes({ name, dtype, shape, scheme }: TlwHead): Uint8Array {
  const text = new TextEncoder().encode(name);
  if (text.length > 0xffff || shape.length > mostSides) {
    throw new UsageError(
      `tlw: expected a name of at most 65535 bytes and at most ${mostSides} sides, got tensor ${name.slice(0, 80)} [${shape}]`,
    );
  }
  return joined([
    Uint8Array.of(text.length >> 8, text.length & 255),
    text,
    shortText(dtype, 'an element type'),
    Uint8Array.of(shape.length),
    ...shape.map(u64),
    shortText(scheme, 'a scheme'),
  ]);
}

/** The bytes before a chunk's payload. */
export function chunkStart(type: string, length: number): Uint8Array {
  return joined([ascii(type), u64(length)]);
}

/** CRC32C of a type; payloads are chained to it. */
export const typeChecksum = (type: string): number => crc32c(ascii(type));

/** The bytes after a chunk's payload. */
export const chunkEnd = u32;

function chunk(type: string, payload: Uint8Array): Uint8Array {
  return joined([chunkStart(type, payload.length), payload, chunkEnd(crc32c(payload, typeChecksum(type)))]);
}

/** Signature, HEAD and META: what stands before the first tensor. */
export function tlwStart(tensors: number, metadata: Readonly<Record<string, string>>): Uint8Array {
  const sorted = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(sorted)));
  const head = chunk('HEAD', joined([Uint8Array.of(version.major, version.minor), u32(tensors)]));
  const parts = [Uint8Array.from(tlwSignature), head];
  if (sorted.length > 0) parts.push(chunk('META', json));
  return joined(parts);
}

/** INDX and TEND: what stands behind the last tensor, INDX at byte `offset`. */
export function tlwEnd(entries: readonly TlwEntry[], offset: number): Uint8Array {
  const rows = entries.flatMap((entry) => [u64(entry.offset), u64(entry.length), tlwHeadBytes(entry)]);
  return joined([chunk('INDX', joined([u32(entries.length), ...rows])), chunk('TEND', u64(offset))]);
}

class Reader {
  at = 0;
  readonly #view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    readonly where: string,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  take(length: number): number {
    const at = this.at;
    if (at + length > this.bytes.length) {
      throw new FormatError(
        `tlw: expected ${length} bytes more in ${this.where}, got ${this.bytes.length - at}`,
      );
    }
    this.at += length;
    return at;
  }

  u8 = (): number => this.bytes[this.take(1)];
  u16 = (): number => this.#view.getUint16(this.take(2));
  u32 = (): number => this.#view.getUint32(this.take(4));

  u64(): number {
    const value = Number(this.#view.getBigUint64(this.take(8)));
    if (!Number.isSafeInteger(value)) throw new FormatError(`tlw: a number in ${this.where} is too large`);
    return value;
  }

  text(length: number): string {
    const at = this.take(length);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
        this.bytes.subarray(at, at + length),
      );
    } catch (error) {
      throw new FormatError(`tlw: expected UTF-8 in ${this.where}`, { cause: error });
    }
  }

  head(): TlwHead {
    const name = this.text(this.u16());
    const dtype = this.text(this.u8());
    const sides = this.u8();
    if (sides > mostSides) {
      throw new FormatError(`tlw: expected at most ${mostSides} sides for tensor ${name}, got ${sides}`);
    }
    const shape = Array.from({ length: sides }, () => this.u64());
    if (!Number.isSafeInteger(shape.reduce((product, side) => product * side, 1))) {
      throw new FormatError(`tlw: tensor ${name} [${shape}] is too large`);
    }
    return { name, dtype, shape, scheme: this.text(this.u8()) };
  }
}

/**
 * The payload of a chunk that begins at the start of `bytes` and ends at their end.
 *
 * @throws FormatError for another type or length; IntegrityError where the CRC does not fit
 */
export function chunkPayload(bytes: Uint8Array, type: string): Uint8Array {
  const reader = new Reader(bytes, `chunk ${type}`);
  const found = reader.text(4);
  const length = reader.u64();
  if (found !== type || chunkHead + length + chunkTail !== bytes.length) {
    throw new FormatError(`tlw: expected a chunk ${type} of ${bytes.length} bytes, got other bytes`);
  }
  const payload = bytes.subarray(chunkHead, chunkHead + length);
  reader.take(length);
  if (reader.u32() !== crc32c(payload, typeChecksum(type))) {
    throw new IntegrityError(`tlw: CRC32C of a chunk ${type} does not fit: the file is damaged`);
  }
  return payload;
}

/** Number of tensors that HEAD promises, from its payload; checks the version. */
export function readTlwHead(payload: Uint8Array): number {
  const reader = new Reader(payload, 'chunk HEAD');
  const major = reader.u8();
  reader.u8();
  if (major !== version.major) throw new UnsupportedError(`tlw: expected version 1, got ${major}`);
  return reader.u32();
}

/** The place of INDX, from the payload of TEND. */
export function readTlwEnd(payload: Uint8Array): number {
  return new Reader(payload, 'chunk TEND').u64();
}

/** All tensors, from the payload of INDX, in the order of their chunks. */
export function readTlwIndex(payload: Uint8Array): TlwEntry[] {
  const reader = new Reader(payload, 'chunk INDX');
  const count = reader.u32();
  if (count > mostTensors)
    throw new FormatError(`tlw: expected at most ${mostTensors} tensors, got ${count}`);
  const entries: TlwEntry[] = [];
  for (let i = 0; i < count; i++) {
    const offset = reader.u64();
    const length = reader.u64();
    entries.push({ offset, length, ...reader.head() });
  }
  if (reader.at !== payload.length)
    throw new FormatError('tlw: expected the end of chunk INDX, got more bytes');
  return entries;
}

/** Head and data of a tensor, from the payload of TENS. */
export function readTlwTensor(payload: Uint8Array): { head: TlwHead; data: Uint8Array } {
  const reader = new Reader(payload, 'chunk TENS');
  const head = reader.head();
  return { head, data: payload.subarray(reader.at) };
}
