/** `codec weights inspect`: what a file or folder of weights holds. */
import { type Command, Option } from 'commander';
import { openCheckpoint } from '../../../src/weights/files/open.js';
import { elementCount } from '../../../src/weights/layout.js';
import { about, type Context } from '../context.js';
import { examples } from '../manual.js';
import { jsonOption } from '../options.js';
import { bytes, count, pairs, table } from '../text.js';

interface Options {
  readonly check?: boolean;
  readonly json?: boolean;
}

/** Longest metadata text that is shown to people. */
const longest = 60;

const shortened = (text: string): string => {
  const line = text.replace(/\s+/g, ' ');
  return line.length > longest ? `${line.slice(0, longest - 3)}...` : line;
};

async function run(context: Context, input: string, options: Options): Promise<void> {
  const source = await about(input, () => openCheckpoint(input));
  try {
    if (options.check) {
      await about(input, async () => {
        for (const tensor of source.tensors) {
          // Reading is the check: of lengths everywhere, of checksums where there are some.
          for await (const _ of source.pieces(tensor));
        }
      });
    }
    const { format, files, fileBytes, metadata } = source;
    const weights = source.tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    const bitsPerWeight = weights === 0 ? 0 : (8 * fileBytes) / weights;
    const tensors = source.tensors.map(({ name, type, shape, bytes: size, file, quantization }) => {
      const elements = elementCount(shape);
      return {
        name,
        type,
        shape,
        bytes: size,
        bitsPerWeight: elements === 0 ? 0 : (8 * size) / elements,
        file: files[file],
        ...(quantization ? { quantization } : {}),
      };
    });
    if (options.json) {
      return context.printJson({
        path: input,
        format,
        files,
        bytes: fileBytes,
        weights,
        bitsPerWeight,
        metadata,
        tensors,
      });
    }
    const rows: [string, string][] = [
      ['format', format],
      ['files', files.length === 1 ? files[0] : `${files.length}, ${files[0]} to ${files.at(-1)}`],
      ['size', `${bytes(fileBytes)}, ${bitsPerWeight.toFixed(3)} bits per weight`],
      ['tensors', `${count(tensors.length)} of ${count(weights)} weights`],
      ...Object.entries(metadata).map(([key, text]): [string, string] => [key, shortened(text)]),
    ];
    for (const line of pairs(rows)) context.print(line);
    const lines = tensors.map(({ name, type, shape, bytes: size, bitsPerWeight: bits, quantization }) => [
      name,
      quantization && quantization.scheme !== type ? `${type} from ${quantization.scheme}` : type,
      shape.join(' x ') || 'one number',
      count(size),
      bits.toFixed(3),
    ]);
    const heading = ['tensor', 'type', 'shape', 'bytes', 'bits/weight'];
    for (const line of table([heading, ...lines], 'lllrr')) context.print(line);
  } finally {
    await source.close();
  }
}

/** Adds the command. */
export function addWeightsInspect(parent: Command, context: Context): void {
  const command = parent
    .command('inspect')
    .summary('show what a file of weights holds')
    .description('Show format, size, metadata and tensors of a file or folder of weights.')
    .argument('<input>', 'a .safetensors, .gguf or .tlw file, or a folder of .safetensors files')
    .addOption(new Option('--check', 'also read all tensors, which checks their checksums in .tlw files'))
    .addOption(jsonOption())
    .action((input: string, options: Options) => run(context, input, options));
  examples(command, ['codec weights inspect model.gguf', 'codec weights inspect small.tlw --check']);
}
