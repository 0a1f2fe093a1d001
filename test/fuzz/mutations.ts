/**
 * Damage for .tlc files, seeded: the same generator gives the same damage everywhere.
 *
 * `damageBytes` works on the file as bytes and leaves checksums alone. `editChunks` takes a file apart, damages header,
 * chunks, tiles or the alpha PNG, and puts it together again with every CRC32C corrected (and usually tiles tied to the
 * new header and their new places too), so that the damage gets past the container and reaches what lies behind it.
 * `spoilLength` writes one length in a way that is no varint or not the right one. Files are written here byte by byte
 * and not by codec/format, which would refuse to.
 */
import {
  crc32c,
  type HeaderElement,
  headerElements,
  readChunk,
  readHead,
  signature,
  tieOfTile,
  varint,
} from '../../codec/format/index.js';
import { crc32 } from '../../src/io/png-chunks.js';

/** Numbers 0..2^32-1. */
export type Next = () => number;

export interface PlainChunk {
  readonly type: string;
  readonly payload: Uint8Array;
}

/** What a file is made of, without checksums. */
export interface PlainFile {
  /** The header. */
  readonly head: Uint8Array;
  readonly chunks: readonly PlainChunk[];
}

/** The header and the chunks of an undamaged file, as copies. */
export function takeApart(file: Uint8Array): PlainFile {
  const chunks: PlainChunk[] = [];
  const { end: start } = readHead(file);
  for (let offset = start; offset < file.length; ) {
    const { type, payload, end } = readChunk(file, offset);
    chunks.push({ type, payload: payload.slice() });
    offset = end;
  }
  return { head: file.slice(signature.length + 1, start - 4), chunks };
}

interface Spelling {
  /** CRC32C of the header that tiles are tied to; by default that of the file. */
  readonly headCrc?: number;
  /** Writes the length of the header (place 0) and of the chunks (from place 1). */
  readonly length?: (length: number, place: number) => ArrayLike<number>;
}

/** A file of these parts, each with the CRC32C of what it holds, tiles in the places where they stand. */
export function putTogether({ head, chunks }: PlainFile, spelling: Spelling = {}): Uint8Array {
  const { headCrc = crc32c(head), length = varint } = spelling;
  const bytes: number[] = [...signature];
  const put = (type: readonly number[], payload: Uint8Array, place: number, tie = 0): void => {
    for (const part of [type, length(payload.length, place), payload]) bytes.push(...Array.from(part));
    const crc = crc32c(payload, crc32c(Uint8Array.from(type), tie));
    bytes.push(crc >>> 24, (crc >>> 16) & 255, (crc >>> 8) & 255, crc & 255);
  };
  put([], head, 0);
  let index = 0;
  for (const [k, { type, payload }] of chunks.entries()) {
    put([type.charCodeAt(0)], payload, k + 1, type === 'T' ? tieOfTile(headCrc, index++) : 0);
  }
  return Uint8Array.from(bytes);
}

export function splice(
  bytes: Uint8Array,
  offset: number,
  remove: number,
  insert: ArrayLike<number>,
): Uint8Array {
  const tail = bytes.subarray(Math.min(bytes.length, offset + remove));
  const result = new Uint8Array(offset + insert.length + tail.length);
  result.set(bytes.subarray(0, offset));
  result.set(insert, offset);
  result.set(tail, offset + insert.length);
  return result;
}

export function randomBytes(length: number, next: Next): Uint8Array {
  return Uint8Array.from({ length }, () => next() & 255);
}

/** Flipped bits, changed bytes, a cut, a hole, or bytes moved in from somewhere else. Empty bytes only grow. */
export function damageBytes(bytes: Uint8Array, next: Next, foreign: Uint8Array = bytes): Uint8Array {
  const at = (): number => (bytes.length === 0 ? 0 : next() % bytes.length);
  const copy = bytes.slice();
  switch (bytes.length === 0 ? 5 : next() % 6) {
    case 0:
      for (let n = next() % 4; n >= 0; n--) copy[at()] ^= 1 << (next() % 8);
      return copy;
    case 1:
      for (let n = next() % 8; n >= 0; n--) copy[at()] = next();
      return copy;
    case 2:
      return copy.subarray(0, at());
    case 3:
      return splice(copy, at(), next() % 200, []);
    case 4: {
      const from = next() % foreign.length;
      return splice(copy, at(), next() % 40, foreign.subarray(from, from + (next() % 200)));
    }
    default:
      return splice(copy, at(), 0, randomBytes(1 + (next() % 30), next));
  }
}

/** Interesting values of header fields: ends of ranges, powers of two, sizes that are small enough to be decoded. */
const fieldValues = [
  0,
  1,
  2,
  3,
  16,
  17,
  63,
  64,
  65,
  100,
  128,
  255,
  256,
  25600,
  25601,
  65535,
  2 ** 31 - 1,
  2 ** 31,
];

type ElementName = HeaderElement['name'];

/** The bytes of a header's elements as its flags have them; a damaged header gives what there is of them. */
function elementsOf(head: Uint8Array): Map<ElementName, Uint8Array> {
  const found = new Map<ElementName, Uint8Array>();
  let offset = 0;
  for (const { name, bits, flag } of headerElements) {
    const flags = found.get('flags')?.[0] ?? 0;
    if (bits === 0 || (flag !== undefined && !((flags >> flag) & 1))) continue;
    let end = offset;
    if (bits !== 'varint') end += bits / 8;
    else while (end < offset + 5 && head[end++] >= 128);
    found.set(name, head.slice(offset, end));
    offset = end;
  }
  return found;
}

/** A header with other bytes for some elements; the rest of its bytes follow in file order, whatever the flags say. */
export function withElements(
  head: Uint8Array,
  change: Partial<Record<ElementName, ArrayLike<number>>>,
): Uint8Array {
  const elements = elementsOf(head);
  return Uint8Array.from(
    headerElements.flatMap(({ name }) => Array.from(change[name] ?? elements.get(name) ?? [])),
  );
}

/** Five bytes of a number too large, six bytes, a longer form than needed, or one without end. */
function noVarint(value: number, next: Next): number[] {
  const bytes = [...varint(value)];
  switch (next() % 4) {
    case 0:
      return [0x88 + (next() % 0x78), 0x80 + (next() % 128), 0x80, 0x80, next() & 127];
    case 1:
      return [0x81 + (next() % 0x7f), 0x80, 0x80, 0x80, 0x80, ...bytes];
    case 2:
      return [...new Array<number>(1 + (next() % 5)).fill(0x80), ...bytes];
    default:
      return new Array<number>(5 + (next() % 4)).fill(0xff);
  }
}

function elementBytes({ name, bits, max }: HeaderElement, next: Next): number[] {
  if (name === 'flags') return [next() % 8 ? next() % (max + 1) : next() & 255];
  const value = next() % 4 === 0 ? next() : fieldValues[next() % fieldValues.length];
  if (bits === 'varint') return next() % 8 ? [...varint(value % 2 ** 31)] : noVarint(value % 2 ** 31, next);
  return Array.from({ length: bits / 8 }, (_, k) => (k < bits / 8 - 4 ? 0 : value >>> (bits - 8 - 8 * k)));
}

function editHeader(head: Uint8Array, next: Next): Uint8Array {
  if (next() % 8 === 0) return damageBytes(head, next);
  const change: Partial<Record<ElementName, number[]>> = {};
  for (let n = next() % 3; n >= 0; n--) {
    // The version comes first; most other versions would only be refused early.
    const element = headerElements[next() % 16 ? 2 + (next() % (headerElements.length - 2)) : next() % 2];
    // So would most other models.
    if (element.unit === 'hex' && next() % 8 !== 0) continue;
    change[element.name] = elementBytes(element, next);
    if (element.flag === undefined || next() % 8 === 0) continue;
    // The flag that says so, mostly.
    const flags = change.flags?.[0] ?? elementsOf(head).get('flags')?.[0] ?? 0;
    change.flags = [flags | (1 << element.flag)];
  }
  return withElements(head, change);
}

function editTile(payload: Uint8Array, next: Next): Uint8Array {
  const segment = payload.subarray(4);
  switch (next() % 8) {
    case 0:
      return payload.subarray(0, next() % 8);
    case 1:
      return splice(payload, 0, 4, randomBytes(4, next));
    case 2:
      return splice(payload, 4, segment.length, randomBytes(next() % 64, next));
    case 3:
      // The coder's first state alone.
      return splice(payload, 4, 4, [next() & 0x7f, next() & 255, next() & 255, next() & 255]);
    default:
      return splice(payload, 4, segment.length, damageBytes(segment, next));
  }
}

/** Damages a PNG; half of the time its own checksums are corrected. */
function editPng(png: Uint8Array, next: Next): Uint8Array {
  if (next() % 2 || png.length < 45) return damageBytes(png, next);
  const parts: Uint8Array[] = [png.slice(0, 8)];
  for (let offset = 8; offset + 12 <= png.length; ) {
    const length = new DataView(png.buffer, png.byteOffset + offset, 4).getUint32(0);
    const body = png.slice(offset + 4, offset + 8 + length);
    offset += 12 + length;
    if (next() % 3 === 0 && body.length > 4) body[4 + (next() % (body.length - 4))] = next();
    parts.push(pngChunkOf(body));
    if (next() % 12 === 0) parts.push(pngChunkOf(Uint8Array.of(0x74, 0x52, 0x4e, 0x53, 0, next() & 255)));
  }
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** @param body chunk type and content. */
function pngChunkOf(body: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(body.length + 8);
  new DataView(chunk.buffer).setUint32(0, body.length - 4);
  chunk.set(body, 4);
  new DataView(chunk.buffer).setUint32(body.length + 4, crc32(body));
  return chunk;
}

const chunkTypes = ['T', 'A', 'i', 'e', 'x', 't', 'z', 'Z'];

function editPayload({ type, payload }: PlainChunk, next: Next): PlainChunk {
  if (type === 'T') return { type, payload: editTile(payload, next) };
  if (type === 'A') return { type, payload: editPng(payload, next) };
  return { type, payload: damageBytes(payload, next) };
}

/** Removes, repeats, swaps, inserts, borrows or renames a chunk. */
function editList(chunks: PlainChunk[], next: Next, foreign: readonly PlainChunk[]): void {
  const at = next() % chunks.length;
  switch (next() % 6) {
    case 0:
      chunks.splice(at, 1);
      return;
    case 1:
      chunks.splice(next() % (chunks.length + 1), 0, chunks[at]);
      return;
    case 2: {
      const other = next() % chunks.length;
      [chunks[at], chunks[other]] = [chunks[other], chunks[at]];
      return;
    }
    case 3: {
      const type = chunkTypes[next() % chunkTypes.length];
      chunks.splice(next() % (chunks.length + 1), 0, { type, payload: randomBytes(next() % 40, next) });
      return;
    }
    case 4:
      chunks[at] = foreign[next() % foreign.length];
      return;
    default:
      chunks[at] = { ...chunks[at], type: chunkTypes[next() % chunkTypes.length] };
  }
}

/** Parts of a file by how often they are damaged: what is parsed deeply the most. */
const targets = ['T', 'T', 'T', 'T', 'head', 'head', 'head', 'A', 'any', 'list'] as const;

function edit({ head, chunks }: PlainFile, next: Next, foreign: readonly PlainChunk[]): PlainFile {
  const target = targets[next() % targets.length];
  if (target === 'head') return { head: editHeader(head, next), chunks };
  const edited = [...chunks];
  const candidates = [...edited.keys()].filter((k) => target === 'any' || edited[k].type === target);
  if (candidates.length === 0) editList(edited, next, foreign);
  else {
    const at = candidates[next() % candidates.length];
    edited[at] = editPayload(edited[at], next);
  }
  return { head, chunks: edited };
}

/** Damages one to three places of a file and corrects the checksums; some tiles stay tied to the header before. */
export function editChunks(file: Uint8Array, next: Next, foreign: Uint8Array): Uint8Array {
  const original = takeApart(file);
  const others = takeApart(foreign).chunks;
  let parts = original;
  for (let n = next() % 8 ? 0 : 2; n >= 0 && parts.chunks.length > 0; n--) parts = edit(parts, next, others);
  return putTogether(parts, next() % 8 ? {} : { headCrc: crc32c(original.head) });
}

/** The file with one of its lengths in no or a longer form of a varint, wrong, or broken off. */
export function spoilLength(file: Uint8Array, next: Next): Uint8Array {
  const parts = takeApart(file);
  const places = [parts.head, ...parts.chunks.map(({ payload }) => payload)];
  const chosen = next() % places.length;
  if (next() % 4 === 0) {
    // Everything before the chosen length, with the type of its chunk, and not all of the length.
    const before = putTogether({ head: parts.head, chunks: parts.chunks.slice(0, Math.max(0, chosen - 1)) });
    const type = chosen === 0 ? [] : [parts.chunks[chosen - 1].type.charCodeAt(0)];
    const length = varint(places[chosen].length);
    const start = chosen === 0 ? signature : before;
    return Uint8Array.of(...start, ...type, ...length.subarray(0, next() % length.length));
  }
  const wrong = next() % 4 === 0;
  return putTogether(parts, {
    length: (length, place) => {
      if (place !== chosen) return varint(length);
      return wrong ? varint(length + 1 + (next() % 2 ** (next() % 31))) : noVarint(length, next);
    },
  });
}
