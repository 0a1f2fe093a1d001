/** `codec weights compare`: what quantization did to the weights of a checkpoint, and to its size. */
import { type Command, Option } from 'commander';
import {
  type Comparison,
  type ComparisonTotal,
  compareCheckpoints,
} from '../../../src/weights/files/compare.js';
import { openCheckpoint } from '../../../src/weights/files/open.js';
import { about, type Context } from '../context.js';
import { examples } from '../manual.js';
import { jsonOption, wholeFrom } from '../options.js';
import { Progress } from '../progress.js';
import { bytes, count, decibels } from '../text.js';
import { reportJson, reportTable, worst } from '../weights-text.js';

interface Options {
  readonly all?: boolean;
  readonly worst?: number;
  readonly json?: boolean;
}

function totalLine(title: string, total: ComparisonTotal): string {
  return [
    `${title}: ${count(total.weights)} weights`,
    `${total.bitsPerWeight.toFixed(3)} bits per weight`,
    `MSE ${total.meanSquaredError.toExponential(3)}`,
    `SQNR ${decibels(total.sqnr)}`,
    `cosine ${total.cosine.toFixed(6)}`,
    `saturated ${(100 * total.saturation).toFixed(3)} %`,
  ].join(', ');
}

/** Tensors that were not compared, a line for each reason. */
function skippedLines(skipped: Comparison['skipped']): string[] {
  const byReason = new Map<string, string[]>();
  for (const { name, reason } of skipped) byReason.set(reason, [...(byReason.get(reason) ?? []), name]);
  return [...byReason].map(([reason, names]) => {
    const others = names.length > 1 ? ` and ${count(names.length - 1)} more` : '';
    return `${names[0]}${others}: not compared: ${reason}`;
  });
}

async function run(context: Context, original: string, quantized: string, options: Options): Promise<void> {
  const before = await about(original, () => openCheckpoint(original));
  try {
    const after = await about(quantized, () => openCheckpoint(quantized));
    try {
      const { stderr } = context.streams;
      const bar = stderr.isTTY ? new Progress(stderr, Math.max(1, before.tensors.length)) : undefined;
      const found = await compareCheckpoints(before, after, (number, name) =>
        bar?.update(number, name),
      ).finally(() => bar?.end());
      const tensors = worst(
        found.tensors.filter((tensor) => options.all || tensor.quantized),
        options.worst,
      );
      if (options.json) {
        return context.printJson({
          original,
          quantized,
          tensors: tensors.map(reportJson),
          skipped: found.skipped,
          total: { quantized: reportJson(found.quantized), whole: reportJson(found.whole) },
          bytesBefore: found.bytesBefore,
          bytesAfter: found.bytesAfter,
        });
      }
      for (const line of reportTable(tensors)) context.print(line);
      for (const line of skippedLines(found.skipped)) context.print(line);
      context.print(totalLine('quantized', found.quantized));
      context.print(totalLine('whole file', found.whole));
      context.print(
        `${quantized}: ${bytes(found.bytesAfter)} of ${bytes(found.bytesBefore)}, ${((100 * found.bytesAfter) / found.bytesBefore).toFixed(1)} %`,
      );
    } finally {
      await after.close();
    }
  } finally {
    await before.close();
  }
}

/** Adds the command. */
export function addWeightsCompare(parent: Command, context: Context): void {
  const command = parent
    .command('compare')
    .summary('compare a checkpoint with its quantized form')
    .description(
      'Compare a checkpoint with its quantized form, tensor by tensor: mean squared error, signal to quantization noise, ' +
        'cosine, saturation, and bits per weight as stored, with all overhead; for quantized tensors and for the whole file.',
    )
    .argument('<original>', 'the checkpoint before')
    .argument('<quantized>', 'the checkpoint after, of the same tensors')
    .option('--all', 'list tensors that did not change, too')
    .addOption(new Option('--worst <n>', 'list the n tensors of lowest SQNR only').argParser(wholeFrom(0)))
    .addOption(jsonOption())
    .action((original: string, quantized: string, options: Options) =>
      run(context, original, quantized, options),
    );
  examples(command, [
    'codec weights compare model.safetensors small.tlw',
    'codec weights compare Llama-3.2-1B llama.gguf --worst 10',
  ]);
}
