/**
 * Quantizes a checkpoint, tensor by tensor: read, quantize, measure, store. Memory is that of one tensor and its codes,
 * whatever the size of the checkpoint; kept tensors are copied in pieces.
 *
 * Every finished tensor goes into a journal beside the output; when a file's tensors are all there it is put together and
 * appears at once. An interrupted run that is resumed does not compute a tensor twice and gives the same bytes.
 */

import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from '../../errors.js';
import { GrowingFile } from '../../io/byte-file.js';
import { fileError, writeFileAtomic } from '../../io/files.js';
import { distortionOf, type QuantizationReport } from '../report.js';
import type { Calibration } from './calibration.js';
import type { Checkpoint } from './checkpoint.js';
import { int32Config } from './int32-layout.js';
import { Journal, type TensorRecord } from './journal.js';
import { labelOf, type OutputFormat } from './output.js';
import type { PlannedTensor } from './plan.js';
import { indexName } from './safetensors-checkpoint.js';

export interface QuantizeOptions {
  readonly output: string;
  readonly format: OutputFormat;
  readonly resume?: boolean;
  /** Inputs of layers, for calibrated schemes. */
  readonly calibration?: Calibration;
  /** Asks to stop after the tensor at hand. */
  readonly signal?: AbortSignal;
  /** Called for every tensor that is done, in this run or before. */
  readonly onTensor?: (planned: PlannedTensor, record: TensorRecord) => void;
}

export interface QuantizeResult {
  /** False where the run was stopped. */
  readonly finished: boolean;
  /** Of the quantized tensors, in the order of the source. */
  readonly reports: readonly QuantizationReport[];
  /** Bytes of all files of weights, once they are there. */
  readonly bytes: number;
}

/** Folder in which a run keeps what it has done. */
export const journalFolder = (output: string): string => `${output.replace(/[/\\]+$/, '')}.partial`;

/** Files beside weights that go along: small ones that are no weights themselves. */
const companion = /\.(json|jsonl|txt|model|tiktoken|jinja|md|py)$|^LICENSE/i;

/** One file of the output. */
interface OutputFile {
  readonly path: string;
  readonly tensors: readonly PlannedTensor[];
}

function outputFiles(
  source: Checkpoint,
  planned: readonly PlannedTensor[],
  options: QuantizeOptions,
): OutputFile[] {
  const { output, format } = options;
  if (!format.isFolder) return [{ path: output, tensors: planned }];
  if (source.files.length === 1) return [{ path: join(output, 'model.safetensors'), tensors: planned }];
  return source.files.map((name, file) => ({
    path: join(output, name),
    tensors: planned.filter(({ tensor }) => tensor.file === file),
  }));
}

/** The path with all links followed, of a file that need not be there yet. */
async function realPlace(path: string): Promise<string> {
  const folder = await realpath(dirname(path)).catch(() => resolve(dirname(path)));
  return realpath(path).catch(() => join(folder, basename(path)));
}

/**
 * An output must not take the place of what it is made from, by whatever name or link.
 * @throws UsageError naming the file
 */
async function refuseSource(
  source: Checkpoint,
  files: readonly OutputFile[],
  { output, format }: QuantizeOptions,
): Promise<void> {
  const isFolder = (await stat(source.path)).isDirectory();
  const folder = isFolder ? source.path : dirname(source.path);
  const own = new Set(await Promise.all(source.files.map((name) => realPlace(join(folder, name)))));
  if (isFolder) own.add(await realPlace(source.path));
  const wanted = [...files.map(({ path }) => path), ...(format.isFolder ? [output] : [])];
  for (const path of wanted) {
    if (!own.has(await realPlace(path))) continue;
    throw new UsageError(`${path}: expected another place than the input's, which it would replace`);
  }
}

/** A text that is the same only for the same work on the same files. */
async function planText(
  source: Checkpoint,
  planned: readonly PlannedTensor[],
  { format, calibration }: QuantizeOptions,
): Promise<string> {
  const folder = (await stat(source.path)).isDirectory() ? source.path : dirname(source.path);
  const files = [];
  for (const name of source.files) {
    const { size, mtimeMs } = await stat(join(folder, name));
    files.push([name, size, mtimeMs]);
  }
  const tensors = planned.map(({ tensor, choice }) => {
    const { hessian, importance, ...options } = choice?.options ?? {};
    const calibrated = [hessian, importance].map(
      (one) => one && createHash('sha256').update(one).digest('hex'),
    );
    return [tensor.name, tensor.type, tensor.shape, choice?.scheme.name ?? null, options, calibrated];
  });
  const begin = createHash('sha256').update(format.begin([])).digest('hex');
  const inputs = calibration && { calibration: await calibration.identity() };
  return JSON.stringify({ version: 1, files, format: format.name, begin, tensors, ...inputs });
}

async function convert(
  source: Checkpoint,
  journal: Journal,
  planned: PlannedTensor,
  { format, calibration }: QuantizeOptions,
): Promise<TensorRecord> {
  const { tensor, choice, index } = planned;
  if (!choice) {
    const { part, pieces } = await format.keep(source, tensor);
    return journal.append({ tensor: index, part }, pieces);
  }
  const { name, shape } = tensor;
  const values = await source.readFloat32(tensor);
  const { options } = calibration ? await calibration.completed(choice, tensor) : choice;
  const quantized = choice.scheme.quantize({ name, shape, values }, options);
  const restored = choice.scheme.dequantize(quantized);
  const distortion = distortionOf(values, restored);
  const { pieces, ...coded } = format.code({ tensor, choice, quantized, restored });
  // What the file has: another program's layout may take more than the scheme's own.
  const { bits } = coded.quantization ?? quantized;
  const report: QuantizationReport = {
    name,
    scheme: labelOf(choice),
    bits,
    bitsPerWeight: distortion.weights === 0 ? 0 : bits / distortion.weights,
    ...distortion,
  };
  return journal.append({ tensor: index, report, ...coded }, pieces);
}

/** Puts a file together from its parts. */
async function assemble(
  journal: Journal,
  number: number,
  file: OutputFile,
  format: OutputFormat,
): Promise<void> {
  const numbers = file.tensors.map(({ index }) => index);
  const records = numbers.map((index) => journal.record(index)!);
  const out = await GrowingFile.create(file.path);
  try {
    await out.write(format.begin(records));
    let current = numbers[0];
    const align = async (): Promise<void> => {
      const rest = out.length % format.alignment;
      if (rest > 0) await out.write(new Uint8Array(format.alignment - rest));
    };
    for await (const { at, piece } of journal.contents(number, numbers)) {
      if (at !== current) await align();
      current = at;
      await out.write(piece);
    }
    await align();
    await out.write(format.end(records, out.length));
    await out.finish();
  } catch (error) {
    await out.abandon();
    throw error;
  }
}

/** config.json with what it has to say of packed weights. */
async function describePacked(
  path: string,
  planned: readonly PlannedTensor[],
  journal: Journal,
): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  const labels = planned.flatMap(({ index }) => {
    const { quantization } = journal.record(index)!;
    return quantization ? [{ scheme: quantization.scheme, inLayout: quantization.layout !== undefined }] : [];
  });
  const kept = planned.filter(({ choice, tensor }) => !choice && tensor.shape.length === 2);
  const quantization = int32Config(
    labels,
    kept.map(({ tensor }) => tensor.name),
  );
  if (text === undefined || !quantization) return;
  const config = { ...JSON.parse(text), quantization_config: quantization };
  await writeFileAtomic(path, new TextEncoder().encode(`${JSON.stringify(config, undefined, 2)}\n`));
}

/** The index of shards and what else lies beside the source's weights. */
async function finishFolder(
  source: Checkpoint,
  files: readonly OutputFile[],
  journal: Journal,
  output: string,
) {
  const isFolder = (await stat(source.path)).isDirectory();
  for (const name of isFolder ? await readdir(source.path) : []) {
    const state = await stat(join(source.path, name));
    if (!state.isFile() || name === indexName || !companion.test(name)) continue;
    // As bytes: permissions and times of the source are its own.
    await rm(join(output, name), { force: true });
    await copyFile(join(source.path, name), join(output, name));
  }
  const planned = files.flatMap(({ tensors }) => tensors);
  await describePacked(join(output, 'config.json'), planned, journal);
  if (files.length === 1) {
    // One of shards that lay here before would be believed.
    await rm(join(output, indexName), { force: true });
    return;
  }
  let total = 0;
  const map: [string, string][] = [];
  for (const { path, tensors } of files) {
    for (const { index } of tensors) {
      const { part, tensors: several = [part] } = journal.record(index)!;
      for (const { name } of several) map.push([name, basename(path)]);
      total += part.bytes;
    }
  }
  const weightMap = Object.fromEntries(map.sort(([a], [b]) => (a < b ? -1 : 1)));
  const text = JSON.stringify({ metadata: { total_size: total }, weight_map: weightMap }, undefined, 2);
  await writeFileAtomic(join(output, indexName), new TextEncoder().encode(`${text}\n`));
}

/**
 * Runs a plan.
 *
 * @param planned of all tensors of the source, in its order
 * @throws UsageError where an interrupted run is in the way, or where weights are not finite, with the tensor's name
 */
export async function quantizeCheckpoint(
  source: Checkpoint,
  planned: readonly PlannedTensor[],
  options: QuantizeOptions,
): Promise<QuantizeResult> {
  const { output, format, signal, onTensor } = options;
  const files = outputFiles(source, planned, options);
  await refuseSource(source, files, options);
  const journal = await Journal.open(
    journalFolder(output),
    await planText(source, planned, options),
    options.resume ?? false,
  );
  try {
    if (format.isFolder) {
      await mkdir(output, { recursive: true }).catch((error: unknown) => {
        throw fileError('written', output, error);
      });
    }
    let stopped = false;
    for (const [number, file] of files.entries()) {
      const numbers = file.tensors.map(({ index }) => index);
      const isDone = journal.isFileDone(number);
      if (!isDone) await journal.beginFile(number, numbers);
      for (const one of file.tensors) {
        stopped ||= signal?.aborted ?? false;
        if (stopped) break;
        const record = journal.record(one.index) ?? (await convert(source, journal, one, options));
        onTensor?.(one, record);
      }
      if (stopped) break;
      if (isDone) continue;
      await assemble(journal, number, file, format);
      await journal.endFile(number);
    }
    const reports = planned.flatMap(({ index }) => journal.record(index)?.report ?? []);
    if (stopped) {
      await journal.close();
      return { finished: false, reports, bytes: 0 };
    }
    if (format.isFolder) await finishFolder(source, files, journal, output);
    await journal.remove();
    let bytes = 0;
    for (const { path } of files) bytes += (await stat(path)).size;
    return { finished: true, reports, bytes };
  } catch (error) {
    // Nothing to go on with: the next run need not be a resumed one.
    if (journal.isEmpty) await journal.remove();
    throw error;
  } finally {
    await journal.close();
  }
}

/** Bits and errors of several tensors together. */
export interface ReportTotal {
  readonly weights: number;
  readonly bits: number;
  readonly bitsPerWeight: number;
  readonly meanSquaredError: number;
  /** Of the tensors that changed. */
  readonly sqnr: number;
}

/**
 * Adds reports up.
 *
 * @example
 * totalOf([]).weights; // => 0
 */
export function totalOf(reports: readonly QuantizationReport[]): ReportTotal {
  let [weights, bits, error, energy] = [0, 0, 0, 0];
  for (const report of reports) {
    const own = report.meanSquaredError * report.weights;
    weights += report.weights;
    bits += report.bits;
    error += own;
    if (own > 0) energy += own / report.relativeError ** 2;
  }
  return {
    weights,
    bits,
    bitsPerWeight: weights === 0 ? 0 : bits / weights,
    meanSquaredError: weights === 0 ? 0 : error / weights,
    sqnr: error === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(energy / error),
  };
}

/** config.json beside a source of safetensors, parsed; undefined where there is none. */
export async function readConfig(source: Checkpoint): Promise<unknown> {
  const isFolder = (await stat(source.path)).isDirectory();
  const path = join(isFolder ? source.path : dirname(source.path), 'config.json');
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${path}: expected JSON`, { cause: error });
  }
}
