/**
 * What the golden files hold: one entry per .tlc file of this folder, with the picture and the options it was encoded
 * from. Names say kind, size, quality and quantizer. Files are never edited by hand; see golden.test.ts.
 *
 * Together they cover: sizes below, at and above the multiples of 64; gray, RGB and alpha; the ends and the middle of
 * the quality scale and values between two rate points; every quantizer; tiles of 64 and 128 pixels with smaller ones
 * at the right and bottom; metadata; pictures with no information and with as much as possible (escape codes); contexts of
 * hyper-latents.
 */
import { readFileSync } from 'node:fs';
import type { DecodeReport } from '../../codec/decode.js';
import type { EncodeOptions } from '../../codec/encode.js';
import { TableSet } from '../../codec/entropy/index.js';
import { loadModel } from '../../codec/model/load.js';
import { type ParsedModel, serializeModel } from '../../codec/model/model-file.js';
import { coderSpecs } from '../../codec/networks/coder-graphs.js';
import type { Channels, Image, ImageMetadata } from '../../src/io/image.js';
import { hashStream, type PictureKind, picture } from './pictures.js';

export const goldenFolder = new URL('.', import.meta.url);

/** The small trained model that golden files and tests use. */
export function tinyModel(): Promise<ParsedModel> {
  return loadModel(tinyModelBytes());
}

export function tinyModelBytes(): Uint8Array {
  return new Uint8Array(readFileSync(new URL('tiny.safetensors', goldenFolder)));
}

/** The same model with six contexts of hyper-latents, which are made up, each with a table of its own. */
export async function tinyModelWithContexts(): Promise<ParsedModel> {
  const model = await tinyModel();
  const { config, tables } = model;
  const channels = config.hyperLatents;
  const next = hashStream(5);
  const cuts = [-8000, -1000, 1, 1001, 8001];
  const hyperContexts = {
    weights: Int16Array.from({ length: 3 * channels ** 2 }, () => (next() % 8001) - 4000),
    thresholds: Int32Array.from({ length: channels * cuts.length }, (_, n) => cuts[n % cuts.length]),
  };
  const contexts = cuts.length + 1;
  const { count } = tables.hyperLatents;
  const hyperLatents = TableSet.fromTables(
    Array.from({ length: contexts * count }, (_, n) =>
      tables.hyperLatents.table((Math.floor(n / contexts) + channels * (n % contexts)) % count),
    ),
  );
  const changed = { ...model, tables: { ...tables, hyperLatents, hyperContexts } };
  return loadModel(serializeModel(changed, coderSpecs(config)));
}

export interface GoldenCase {
  readonly name: string;
  /** Whether it is coded with `tinyModelWithContexts`. */
  readonly contexts: boolean;
  readonly image: () => Image;
  readonly options: EncodeOptions;
}

const text = new TextEncoder();
const metadata: ImageMetadata = {
  icc: Uint8Array.from({ length: 200 }, (_, k) => (k * 37) & 255),
  exif: Uint8Array.of(0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0),
  xmp: text.encode('<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- golden --></x:xmpmeta>'),
};

interface Variant {
  readonly channels?: Channels;
  readonly tileSide?: number;
  readonly metadata?: ImageMetadata;
  readonly contexts?: boolean;
}

const channelNames = ['', 'gray', 'grayalpha', 'rgb', 'rgba'];

function golden(
  kind: PictureKind,
  width: number,
  height: number,
  quality: number,
  quantizer: string,
  variant: Variant = {},
): GoldenCase {
  const { channels = 3, tileSide = 0, contexts = false } = variant;
  const parts = [kind, `${width}x${height}`, `q${quality}`, quantizer];
  if (channels !== 3) parts.push(channelNames[channels]);
  if (tileSide) parts.push(`tiles${tileSide}`);
  if (variant.metadata) parts.push('metadata');
  if (contexts) parts.push('contexts');
  return {
    name: `${parts.join('-')}.tlc`,
    contexts,
    image: () => picture(kind, width, height, channels, 7, variant.metadata),
    options: { quality, quantizer, tileSide, engine: 'wasm', threads: 1 },
  };
}

/** Each trellis-coded quantizer meets every kind of hardship; sizes and qualities vary between them. */
const trellisCases: readonly GoldenCase[] = [4, 8, 16, 32, 64, 128, 256, 512, 1024].flatMap((states, n) => {
  const quantizer = `tcq${states}`;
  return [
    golden('mixed', 1, 1, [50, 0, 100, 33.3, 50, 20, 80, 0, 60][n], quantizer),
    golden('mixed', 130, 97, [0, 33.3, 50, 75, 100, 25, 60, 100, 40][n], quantizer),
    golden('texture', 63 + n, 65 + n, [50, 50, 33.3, 90, 10, 70, 33.3, 80, 20][n], quantizer),
    golden('constant', 64 + 6 * n, 64, [100, 0, 50, 33.3, 80, 10, 60, 0, 100][n], quantizer),
    golden(n % 2 ? 'noise' : 'blocks', 96, 64, 100, quantizer),
    golden(n % 2 ? 'blocks' : 'checkerboard', 65, 64, 0, quantizer),
    golden('checkerboard', 64, 65, 100, quantizer),
    // Every pass of every tile starts anew, with little to search over.
    golden('mixed', 130, 70, [20, 50, 80, 50, 33.3, 60, 40, 70, 30][n], quantizer, { tileSide: 64 }),
    golden('texture', 200, 150, [50, 33.3, 60, 10, 50, 75, 25, 40, 90][n], quantizer, { tileSide: 128 }),
    golden('mixed', 60, 100, 50, quantizer, { channels: ([1, 4, 2, 1, 4, 2, 1, 4, 2] as const)[n] }),
  ];
});

export const goldenCases: readonly GoldenCase[] = [
  golden('mixed', 1, 1, 50, 'rdoq'),
  golden('gradient', 1, 200, 50, 'rdoq'),
  golden('gradient', 200, 1, 33.3, 'round'),
  golden('mixed', 64, 64, 50, 'round'),
  golden('mixed', 65, 63, 50, 'rdoq'),
  golden('texture', 63, 129, 33.3, 'deadzone'),
  golden('mixed', 130, 97, 0, 'rdoq'),
  golden('mixed', 130, 97, 33.3, 'rdoq'),
  golden('mixed', 130, 97, 50, 'rdoq'),
  golden('mixed', 130, 97, 100, 'rdoq'),
  golden('texture', 96, 96, 50, 'round'),
  golden('texture', 96, 96, 50, 'deadzone'),
  golden('texture', 96, 96, 50, 'rdoq'),
  golden('text', 150, 80, 50, 'rdoq'),
  golden('text', 150, 80, 100, 'round'),
  golden('constant', 64, 64, 50, 'rdoq'),
  golden('constant', 70, 70, 0, 'round'),
  golden('noise', 64, 64, 0, 'round'),
  golden('noise', 64, 64, 100, 'round'),
  golden('noise', 256, 192, 100, 'rdoq'),
  golden('blocks', 128, 128, 100, 'round'),
  golden('blocks', 65, 64, 0, 'rdoq'),
  golden('checkerboard', 64, 64, 0, 'deadzone'),
  golden('checkerboard', 65, 65, 100, 'round'),
  golden('mixed', 100, 60, 50, 'rdoq', { channels: 1 }),
  golden('mixed', 60, 100, 33.3, 'rdoq', { channels: 2 }),
  golden('mixed', 90, 70, 50, 'rdoq', { channels: 4 }),
  golden('constant', 1, 1, 100, 'round', { channels: 4 }),
  golden('mixed', 64, 64, 50, 'rdoq', { metadata }),
  golden('mixed', 80, 40, 50, 'deadzone', { channels: 4, metadata }),
  golden('mixed', 200, 150, 50, 'rdoq', { tileSide: 64 }),
  golden('mixed', 300, 170, 33.3, 'rdoq', { tileSide: 128 }),
  golden('texture', 129, 257, 50, 'round', { channels: 1, tileSide: 128 }),
  golden('mixed', 193, 65, 100, 'deadzone', { channels: 4, tileSide: 64 }),
  golden('mixed', 200, 150, 50, 'rdoq', { tileSide: 256 }),
  golden('mixed', 70, 330, 50, 'round', { tileSide: 64 }),
  ...trellisCases,
  golden('mixed', 300, 200, 50, 'tcq256', { contexts: true }),
  golden('texture', 130, 260, 90, 'rdoq', { contexts: true }),
  golden('noise', 200, 150, 10, 'tcq8', { contexts: true, tileSide: 128 }),
];

/** What checksums.json says of one file. */
export interface GoldenChecksums {
  /** CRC32C over the tiles' latents checksums, 8 hex digits. */
  readonly latents: string;
  /** SHA-256 of the samples that the wasm engine decodes, alpha included. */
  readonly pixels: string;
}

export interface GoldenRecord {
  /** Id of the model in tiny.safetensors. */
  readonly model: string;
  /** Id of that with contexts. */
  readonly modelWithContexts: string;
  readonly files: Readonly<Record<string, GoldenChecksums>>;
}

export const hexChecksum = ({ latentsChecksum }: DecodeReport): string =>
  latentsChecksum.toString(16).padStart(8, '0');

export function readGolden(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(name, goldenFolder)));
}

export function readRecord(): GoldenRecord {
  return JSON.parse(readFileSync(new URL('checksums.json', goldenFolder), 'utf8')) as GoldenRecord;
}

/** Registered quantizers that some golden file uses. */
export const coveredQuantizers = new Set(goldenCases.map(({ options }) => options.quantizer));
