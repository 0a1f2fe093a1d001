/** Evaluations as files: what `codec eval` and its subcommands read, and what they write (text, JSON, CSV, curves, reports). */
import { mkdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { Option } from 'commander';
import {
  csvOf,
  type Evaluation,
  evaluationText,
  exchangeDocument,
  failureLines,
  parseEvaluation,
  summaryText,
} from '../../eval/index.js';
import { type CropComparison, resultsDocument, writeReport } from '../../eval/report/index.js';
import { about, type Context } from './context.js';

/** Values of the options that `outputOptions` adds. */
export interface OutputOptions {
  readonly json?: string;
  readonly csv?: string;
  readonly markdown?: string;
  readonly compressai?: string;
  readonly report?: string;
}

/** Where results go, besides the summary on standard output. */
export const outputOptions = (): Option[] => [
  new Option('--json <file>', 'write the evaluation: everything, in one document; - for standard output'),
  new Option('--csv <file>', 'write a row per picture, codec and setting; - for standard output'),
  new Option(
    '--report <folder>',
    'write report.html, complete in itself, and its charts as SVG and PNG files',
  ),
  new Option(
    '--markdown <file>',
    "write the tables as a document that names this command; with --report it shows that folder's charts",
  ),
  new Option('--compressai <folder>', "write every codec's curve as CompressAI's tools read it"),
];

/** The evaluation in a file; errors name it. */
export async function evaluationNamed(context: Context, name: string): Promise<Evaluation> {
  const text = new TextDecoder().decode(await context.read(name));
  return about(name, () => parseEvaluation(text, name));
}

const encoded = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Writes a text, in a folder that is made where it is absent. */
export async function writeText(context: Context, path: string, text: string): Promise<void> {
  if (path !== '-') await about(path, () => mkdir(dirname(path), { recursive: true }));
  await context.write(path, encoded(text), {});
}

const fileName = (codec: string): string => `${codec.replaceAll(/[^\w.-]+/g, '-')}.json`;

/** Where charts lie as a link in a document reaches them. */
export const linkTo = (folder: string, document: string): string =>
  relative(dirname(document), folder).replaceAll('\\', '/') || '.';

/**
 * Writes an evaluation wherever the options say, and its summary on standard output where nothing else goes there. What
 * could not be measured is named on standard error and makes the exit code 3.
 *
 * @param command what the user called, for documents
 * @param crops pictures for the report
 */
export async function writeOutputs(
  context: Context,
  evaluation: Evaluation,
  options: OutputOptions,
  { command, crops = [] }: { readonly command: string; readonly crops?: readonly CropComparison[] },
): Promise<void> {
  const { json, csv, markdown, compressai, report } = options;
  if (json !== '-' && csv !== '-') context.print(summaryText(evaluation));
  if (json !== undefined) await writeText(context, json, evaluationText(evaluation));
  if (csv !== undefined) await writeText(context, csv, csvOf(evaluation));
  if (markdown !== undefined) {
    const charts = report === undefined ? {} : { charts: linkTo(report, markdown) };
    await writeText(context, markdown, resultsDocument(evaluation, { command, ...charts }));
  }
  if (report !== undefined) {
    const [page] = await about(report, () => writeReport(evaluation, { folder: report, crops, command }));
    context.say(`${page}: the report`);
  }
  if (compressai !== undefined) {
    for (const codec of evaluation.codecs) {
      const text = `${JSON.stringify(exchangeDocument(codec), undefined, 1)}\n`;
      await writeText(context, join(compressai, fileName(codec.name)), text);
    }
  }
  for (const line of failureLines(evaluation.failures)) context.say(`codec: not measured: ${line}`);
  if (evaluation.failures.length > 0) context.status = 3;
}
