/** `codec info`: what a .tlc file says about itself. Reads and checks the whole file, decodes nothing. */
import type { Command } from 'commander';
import { chunkNames } from '../../format/index.js';
import { type ChunkInfo, type FileInfo, info } from '../../info.js';
import { bundledModels, loadModel } from '../../model/load.js';
import { about, type Context, inputName } from '../context.js';
import { examples } from '../manual.js';
import { jsonOption } from '../options.js';
import { bytes, count, pairs } from '../text.js';

/** Name of the bundled model with that id. */
async function modelName(id: string): Promise<string | undefined> {
  for (const name of await bundledModels()) if ((await loadModel(name)).id === id) return name;
  return undefined;
}

function kindOf({ channels, alpha }: FileInfo): string {
  return `${channels < 3 ? 'gray' : 'RGB'}${alpha ? ' with alpha' : ''}`;
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
        `${entry.number > 1 ? `${entry.number} x ` : ''}${chunkNames[type] ?? type} ${count(entry.bytes)}`,
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
      const found = await about(name, async () => info(file));
      const model = await modelName(found.modelId);
      if (options.json) return context.printJson({ file: input, model: model ?? null, ...found });
      const { tiles, metadata } = found;
      const carried = Object.entries({ ICC: metadata.icc, EXIF: metadata.exif, XMP: metadata.xmp })
        .filter(([, size]) => size > 0)
        .map(([block, size]) => `${block} ${count(size)}`);
      const grid = `${tiles.columns} x ${tiles.rows} of ${found.tileSide} pixels a side`;
      context.print(name);
      const rows: [string, string][] = [
        ['picture', `${found.width} x ${found.height}, ${kindOf(found)}`],
        ['size', `${bytes(found.bytes)}, ${found.bitsPerPixel.toFixed(3)} bits per pixel`],
        ['format', found.format],
        ['model', `${model ?? 'not bundled'} (${found.modelId})`],
        ['quality', String(found.quality)],
        ['quantizer', found.quantizer ?? `number ${found.quantizerId}`],
        ['tiles', found.tileSide === 0 ? 'one, the whole picture' : grid],
        ['latents', `checksum ${found.latentsChecksum.toString(16).padStart(8, '0')}`],
        ...(carried.length > 0 ? [['metadata', `${carried.join(', ')} bytes`] as [string, string]] : []),
        ...metadata.text.map(({ key, value }): [string, string] => [`text ${key}`, value]),
        [
          'chunks',
          `${chunkSummary(found.chunks)} bytes, header ${found.headerBytes}, signature ${found.signatureBytes}`,
        ],
      ];
      for (const line of pairs(rows)) context.print(`  ${line}`);
    });
  examples(command, ['codec info photo.tlc', 'codec info photo.tlc --json']);
}
