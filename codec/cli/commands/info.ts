/** `codec info`: what a .tlc file says about itself. Reads and checks the whole file, decodes nothing. */
import type { Command } from 'commander';
import {
  type Chunk,
  type Container,
  type Header,
  quantizerName,
  readChunk,
  readContainer,
  signature,
} from '../../format/index.js';
import { bundledModels, loadModel } from '../../model/load.js';
import { about, type Context, inputName } from '../context.js';
import { examples } from '../manual.js';
import { jsonOption } from '../options.js';
import { bytes, count, pairs } from '../text.js';

interface ChunkInfo {
  readonly type: string;
  /** Where it starts in the file, and its bytes with length, type and checksum. */
  readonly offset: number;
  readonly bytes: number;
}

/** All chunks of a file that `readContainer` has accepted. */
function chunksOf(file: Uint8Array): ChunkInfo[] {
  const found: ChunkInfo[] = [];
  for (let offset = signature.length; offset < file.length; ) {
    const chunk: Chunk = readChunk(file, offset);
    found.push({ type: chunk.type, offset, bytes: chunk.end - offset });
    offset = chunk.end;
  }
  return found;
}

/** Name of the bundled model with that id. */
async function modelName(id: string): Promise<string | undefined> {
  for (const name of await bundledModels()) if ((await loadModel(name)).id === id) return name;
  return undefined;
}

function described(file: string, size: number, container: Container, chunks: ChunkInfo[], model?: string) {
  const { header, grid, icc, exif, xmp, alpha, text } = container;
  const { width, height, channels, quality, quantizer, quantizerParameter } = header;
  return {
    file,
    bytes: size,
    width,
    height,
    channels: channels + header.alpha,
    alpha: header.alpha === 1,
    bitsPerPixel: (8 * size) / (width * height),
    format: `${header.major}.${header.minor}`,
    model: model ?? null,
    modelId: header.modelId,
    quality,
    quantizer: quantizerName(quantizer) ?? null,
    quantizerId: quantizer,
    quantizerParameter,
    tileSide: header.tileSide,
    tiles: { count: grid.count, columns: grid.columns, rows: grid.rows },
    latentsChecksum: header.latentsChecksum,
    metadata: {
      icc: icc?.length ?? 0,
      exif: exif?.length ?? 0,
      xmp: xmp?.length ?? 0,
      alpha: alpha?.length ?? 0,
      text: text.map(({ key, value }) => ({ key, value })),
    },
    signatureBytes: signature.length,
    chunks,
  };
}

function kindOf({ channels, alpha }: Header): string {
  return `${channels === 1 ? 'gray' : 'RGB'}${alpha ? ' with alpha' : ''}`;
}

/** Chunks by type, in order of appearance: sizes, and how many where there are several. */
function chunkSummary(chunks: readonly ChunkInfo[]): string {
  const byType = new Map<string, { number: number; bytes: number }>();
  for (const chunk of chunks) {
    const entry = byType.get(chunk.type) ?? { number: 0, bytes: 0 };
    byType.set(chunk.type, { number: entry.number + 1, bytes: entry.bytes + chunk.bytes });
  }
  return [...byType]
    .map(
      ([type, entry]) =>
        `${entry.number > 1 ? `${entry.number} x ` : ''}${type.trim()} ${count(entry.bytes)}`,
    )
    .join(', ');
}

/** Adds the command. */
export function addInfo(program: Command, context: Context): void {
  const command = program
    .command('info')
    .summary('show what a .tlc file holds')
    .description(
      'Show size, model, quality, tiles and chunks of a .tlc file, after checking that it is undamaged.',
    )
    .argument('<input>', 'the .tlc file; - for standard input')
    .addOption(jsonOption())
    .action(async (input: string, options: { json?: boolean }) => {
      const file = await context.read(input);
      const name = inputName(input);
      const container = await about(name, () => readContainer(file, { maxPixels: Number.POSITIVE_INFINITY }));
      const { header, text } = container;
      const info = described(input, file.length, container, chunksOf(file), await modelName(header.modelId));
      if (options.json) return context.printJson(info);
      const { tiles, metadata } = info;
      const carried = Object.entries({ ICC: metadata.icc, EXIF: metadata.exif, XMP: metadata.xmp })
        .filter(([, size]) => size > 0)
        .map(([block, size]) => `${block} ${count(size)}`);
      const grid = `${tiles.columns} x ${tiles.rows} of ${header.tileSide} pixels a side`;
      context.print(name);
      const rows: [string, string][] = [
        ['picture', `${header.width} x ${header.height}, ${kindOf(header)}`],
        ['size', `${bytes(info.bytes)}, ${info.bitsPerPixel.toFixed(3)} bits per pixel`],
        ['format', info.format],
        ['model', `${info.model ?? 'not bundled'} (${info.modelId})`],
        ['quality', String(info.quality)],
        ['quantizer', info.quantizer ?? `number ${info.quantizerId}`],
        ['tiles', header.tileSide === 0 ? 'one, the whole picture' : grid],
        ['latents', `checksum ${info.latentsChecksum.toString(16).padStart(8, '0')}`],
        ...(carried.length > 0 ? [['metadata', `${carried.join(', ')} bytes`] as [string, string]] : []),
        ...text.map(({ key, value }): [string, string] => [`text ${key}`, value]),
        ['chunks', `${chunkSummary(info.chunks)} bytes, signature ${info.signatureBytes}`],
      ];
      for (const line of pairs(rows)) context.print(`  ${line}`);
    });
  examples(command, ['codec info photo.tlc', 'codec info photo.tlc --json']);
}
