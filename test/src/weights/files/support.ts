/** Folders of their own, small checkpoints, and readers of quantized files that share no code with the package. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SafeTensor, serializeSafetensors } from '../../../../src/io/safetensors.js';
import type { Checkpoint } from '../../../../src/weights/files/checkpoint.js';
import { openCheckpoint } from '../../../../src/weights/files/open.js';

/** A folder; `path('a')` is in it. */
export function workplace() {
  const folder = mkdtempSync(join(tmpdir(), 'weights-'));
  return {
    path: (...names: string[]): string => join(folder, ...names),
    remove: (): void => rmSync(folder, { recursive: true, force: true }),
  };
}

/** All files of a folder, by name. */
export function contents(folder: string): Record<string, Buffer> {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
}

/** Whether arrays have equal bytes; quicker than comparing them element by element. */
export function sameBytes(a: ArrayBufferView | undefined, b: ArrayBufferView | undefined): boolean {
  if (!a || !b) return false;
  const view = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
    Buffer.from(buffer, byteOffset, byteLength);
  return view(a).equals(view(b));
}

/** Checksums of all files of a folder, or of a file. */
export function checksums(path: string): Record<string, string> {
  const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  const files = statSync(path).isDirectory() ? contents(path) : { file: readFileSync(path) };
  return Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, hash(bytes)]));
}

/** A safetensors file of float32 tensors. */
export function floatsFile(
  tensors: Readonly<Record<string, readonly [shape: number[], values: number[]]>>,
): Uint8Array {
  const entries = Object.entries(tensors).map(([name, [shape, values]]): [string, SafeTensor] => [
    name,
    { dtype: 'F32', shape, data: Float32Array.from(values) },
  ]);
  return serializeSafetensors(new Map(entries));
}

/** Values of all tensors of a checkpoint. */
export async function valuesOf(path: string): Promise<Map<string, Float32Array>> {
  return withCheckpoint(path, async (checkpoint) => {
    const values = new Map<string, Float32Array>();
    for (const tensor of checkpoint.tensors) {
      values.set(tensor.name, (await checkpoint.readFloat32(tensor)).slice());
    }
    return values;
  });
}

export async function withCheckpoint<T>(
  path: string,
  action: (checkpoint: Checkpoint) => Promise<T>,
): Promise<T> {
  const checkpoint = await openCheckpoint(path);
  try {
    return await action(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

/** Signal to noise in decibels. */
export function signalToNoise(before: Float32Array, after: Float32Array): number {
  let signal = 0;
  let noise = 0;
  for (let i = 0; i < before.length; i++) {
    signal += before[i] ** 2;
    noise += (before[i] - after[i]) ** 2;
  }
  return 10 * Math.log10(signal / noise);
}

function half(view: DataView, at: number): number {
  const bits = view.getUint16(at, true);
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -magnitude : magnitude;
}

/** Bits `from` .. `from + width - 1` of bytes, least significant first. */
function bitsAt(view: DataView, at: number, from: number, width: number): number {
  let value = 0;
  for (let bit = 0; bit < width; bit++) {
    const place = from + bit;
    value |= ((view.getUint8(at + (place >> 3)) >> (place & 7)) & 1) << bit;
  }
  return value;
}

/** Decoders after the description of the formats, one weight at a time: weight i of the block at a byte. */
const decoders: Readonly<Record<string, (view: DataView, at: number, i: number) => number>> = {
  Q8_0: (view, at, i) => half(view, at) * view.getInt8(at + 2 + i),
  Q4_0: (view, at, i) => half(view, at) * (bitsAt(view, at + 2, 8 * (i % 16) + (i < 16 ? 0 : 4), 4) - 8),
  Q4_K(view, at, i) {
    const group = Math.floor(i / 32);
    const six = (j: number): [number, number] =>
      j < 4
        ? [bitsAt(view, at + 4 + j, 0, 6), bitsAt(view, at + 8 + j, 0, 6)]
        : [
            bitsAt(view, at + 8 + j, 0, 4) + 16 * bitsAt(view, at + j, 6, 2),
            bitsAt(view, at + 8 + j, 4, 4) + 16 * bitsAt(view, at + 4 + j, 6, 2),
          ];
    const [scale, minimum] = six(group);
    const level = bitsAt(view, at + 16 + 32 * (group >> 1) + (i % 32), group % 2 === 0 ? 0 : 4, 4);
    return (
      Math.fround(Math.fround(half(view, at) * scale) * level) - Math.fround(half(view, at + 2) * minimum)
    );
  },
  Q6_K(view, at, i) {
    const [chunk, place] = [Math.floor(i / 128), i % 128];
    const quarter = Math.floor(place / 32);
    const low = bitsAt(view, at + 64 * chunk + (place % 64), quarter < 2 ? 0 : 4, 4);
    const high = bitsAt(view, at + 128 + 32 * chunk + (place % 32), 2 * quarter, 2);
    const scale = view.getInt8(at + 192 + Math.floor(i / 16));
    return Math.fround(half(view, at + 208) * scale) * (low + 16 * high - 32);
  },
  F32: (view, at) => view.getFloat32(at, true),
  BF16(view, at) {
    const word = new DataView(new ArrayBuffer(4));
    word.setUint16(0, view.getUint16(at, true));
    return word.getFloat32(0);
  },
};

const blocks: Readonly<Record<string, readonly [weights: number, bytes: number]>> = {
  Q8_0: [32, 34],
  Q4_0: [32, 18],
  Q4_K: [256, 144],
  Q6_K: [256, 210],
  F32: [1, 4],
  BF16: [1, 2],
};

/** Values of `count` weights of a GGUF type from a byte of a file on. */
export function decodeGguf(type: string, file: Uint8Array, begin: number, count: number): Float32Array {
  const view = new DataView(file.buffer, file.byteOffset);
  const [length, bytes] = blocks[type];
  return Float32Array.from({ length: count }, (_, i) =>
    decoders[type](view, begin + Math.floor(i / length) * bytes, i % length),
  );
}
