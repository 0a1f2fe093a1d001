/**
 * Damage for .tlc files, seeded: the same generator gives the same damage everywhere.
 *
 * `damageBytes` works on the file as bytes and leaves checksums alone. `editChunks` takes a file apart, damages chunks,
 * fields, tiles or the alpha PNG, and puts it together again with every CRC32C corrected (and usually the header's checksum over
 * the tiles too), so that the damage gets past the container and reaches what lies behind it.
 */
import {
  chunkOverhead,
  headerElements,
  pictureChecksum,
  putChunk,
  readChunk,
  signature,
} from '../../codec/format/index.js';
import { crc32 } from '../../src/io/png-chunks.js';

/** Numbers 0..2^32-1. */
export type Next = () => number;

export interface PlainChunk {
  readonly type: string;
  readonly payload: Uint8Array;
}

/** The chunks of an undamaged file, as copies. */
export function takeApart(file: Uint8Array): PlainChunk[] {
  const chunks: PlainChunk[] = [];
  for (let offset = signature.length; offset < file.length; ) {
    const { type, payload, end } = readChunk(file, offset);
    chunks.push({ type, payload: payload.slice() });
    offset = end;
  }
  return chunks;
}

/** A file of these chunks, each with the CRC32C of what it holds. */
export function putTogether(chunks: readonly PlainChunk[]): Uint8Array {
  const length = chunks.reduce((sum, { payload }) => sum + payload.length + chunkOverhead, signature.length);
  const file = new Uint8Array(length);
  file.set(signature);
  let offset = signature.length;
  for (const { type, payload } of chunks) offset = putChunk(file, offset, type, [payload]);
  return file;
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

function editHeader(payload: Uint8Array, next: Next): Uint8Array {
  if (next() % 8 === 0) return damageBytes(payload, next);
  const copy = payload.slice();
  for (let n = next() % 3; n >= 0; n--) {
    // The version comes first; most other versions would only be refused early.
    const index = next() % 16 ? 2 + (next() % (headerElements.length - 2)) : next() % 2;
    const offset = headerElements.slice(0, index).reduce((sum, { bits }) => sum + bits / 8, 0);
    const bytes = headerElements[index].bits / 8;
    // So would most other models.
    if (headerElements[index].unit === 'hex' && next() % 8 !== 0) continue;
    const value = next() % 4 === 0 ? next() : fieldValues[next() % fieldValues.length];
    for (let k = 0; k < bytes; k++) copy[offset + k] = k < bytes - 4 ? 0 : value >>> (8 * (bytes - 1 - k));
  }
  return copy;
}

function editTile(payload: Uint8Array, next: Next): Uint8Array {
  const segment = payload.subarray(8);
  switch (next() % 8) {
    case 0:
      return splice(payload, 0, 4, [0, 0, 0, next() % 4]);
    case 1:
      return splice(payload, 4, 4, randomBytes(4, next));
    case 2:
      return splice(payload, 8, segment.length, randomBytes(next() % 64, next));
    case 3:
      // The coder's first state alone.
      return splice(payload, 8, 4, [next() & 0x7f, next() & 255, next() & 255, next() & 255]);
    default:
      return splice(payload, 8, segment.length, damageBytes(segment, next));
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

const chunkTypes = ['HEAD', 'TILE', 'TEND', 'ALPH', 'iccp', 'exif', 'xmp ', 'text', 'abcd', 'ABCD', 'TILF'];

function editPayload({ type, payload }: PlainChunk, next: Next): PlainChunk {
  if (type === 'HEAD') return { type, payload: editHeader(payload, next) };
  if (type === 'TILE') return { type, payload: editTile(payload, next) };
  if (type === 'ALPH') return { type, payload: editPng(payload, next) };
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
      chunks.splice(1 + (next() % chunks.length), 0, { type, payload: randomBytes(next() % 40, next) });
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
const targets = ['TILE', 'TILE', 'TILE', 'TILE', 'HEAD', 'HEAD', 'HEAD', 'ALPH', 'any', 'list'] as const;

function edit(chunks: PlainChunk[], next: Next, foreign: readonly PlainChunk[]): void {
  const target = targets[next() % targets.length];
  const candidates = [...chunks.keys()].filter((k) => target === 'any' || chunks[k].type === target);
  if (candidates.length === 0) editList(chunks, next, foreign);
  else {
    const at = candidates[next() % candidates.length];
    chunks[at] = editPayload(chunks[at], next);
  }
}

/** Writes the checksum over the tiles into the header, where there is a header of the usual length. */
export function tieTiles(chunks: PlainChunk[]): void {
  const head = chunks.find(({ type, payload }) => type === 'HEAD' && payload.length >= 31);
  if (!head) return;
  const tiles = chunks.filter(({ type, payload }) => type === 'TILE' && payload.length >= 8);
  const checksums = tiles.map(({ payload }) => new DataView(payload.buffer, payload.byteOffset).getUint32(4));
  new DataView(head.payload.buffer, head.payload.byteOffset).setUint32(27, pictureChecksum(checksums));
}

/** Damages one to three places of a file and corrects the checksums. */
export function editChunks(file: Uint8Array, next: Next, foreign: Uint8Array): Uint8Array {
  const chunks = takeApart(file);
  const others = takeApart(foreign);
  for (let n = next() % 8 ? 0 : 2; n >= 0 && chunks.length > 0; n--) edit(chunks, next, others);
  const own = chunks.map(({ type, payload }) => ({ type, payload: payload.slice() }));
  if (next() % 8 !== 0) tieTiles(own);
  return putTogether(own);
}
