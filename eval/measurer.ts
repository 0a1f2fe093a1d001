/**
 * Those who measure: an evaluation hands each of its measurers one task at a time, a picture with the settings of one
 * codec that are wanted. This one works in the process it is in; workers.ts has others that do so elsewhere.
 */
import { type DatasetImage, type LoadedImage, loadImage } from '../datasets/index.js';
import { CodecError } from '../src/errors.js';
import { type CodecSpec, openCodec, specName } from './codec-specs.js';
import type { ImageCodec } from './codecs.js';
import type { MeasuredCodec } from './evaluation.js';
import { type Measurement, measure } from './measure.js';
import type { Metrics } from './metrics/metrics.js';

/** A codec that is ready, in plain data; or why it is not. */
export interface OpenedCodec
  extends Pick<ImageCodec, 'name' | 'version' | 'settings' | 'kmacPerPixel' | 'weights'> {
  readonly kind: MeasuredCodec['kind'];
  readonly reason?: string;
}

/** A picture with settings of one codec. */
export interface MeasureTask {
  /** Position of the codec among those opened. */
  readonly codec: number;
  readonly picture: DatasetImage;
  readonly settings: readonly number[];
}

/** Somebody who measures, one task at a time. */
export interface Measurer {
  readonly opened: readonly OpenedCodec[];
  /**
   * Measures a task; results come as they are made.
   *
   * @throws Error where a setting fails; the later ones are then not measured
   */
  measure(task: MeasureTask, onResult: (result: Measurement) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

/** One line about an error; those that were not raised on purpose say so. */
export function reasonOf(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).trim().replace(/\s*\n\s*/g, '; ');
  return error instanceof CodecError ? text : `unexpected error: ${text}`;
}

/**
 * A measurer in this process, with codecs that are open.
 *
 * @example
 * const measurer = localMeasurer(await competitorCodecs(['webp']), await openMetrics(['psnr']));
 */
export function localMeasurer(
  codecs: readonly (ImageCodec & Partial<Pick<OpenedCodec, 'kind' | 'reason'>>)[],
  metrics: Metrics,
): Measurer {
  // Tasks of one picture follow each other.
  let last: { readonly path: string; readonly loaded: LoadedImage } | undefined;
  return {
    opened: codecs.map(({ name, version, settings, kmacPerPixel, weights, kind = 'ours', reason }) => ({
      name,
      version,
      settings,
      kind,
      ...(weights ? { weights } : {}),
      ...(kmacPerPixel ? { kmacPerPixel } : {}),
      ...(reason === undefined ? {} : { reason }),
    })),
    async measure({ codec, picture, settings }, onResult) {
      if (last?.path !== picture.path) last = { path: picture.path, loaded: await loadImage(picture) };
      for (const setting of settings) {
        await onResult(await measure(codecs[codec], last.loaded, setting, metrics));
      }
    },
    close: async () => {},
  };
}

function kindOf(spec: CodecSpec): OpenedCodec['kind'] {
  if (spec.kind !== 'ours') return 'competitor';
  return spec.options.weights === undefined ? 'ours' : 'quantized';
}

/** Stands for a codec that does not open; nobody measures it. */
function absentCodec(spec: CodecSpec, reason: string): ImageCodec & { readonly reason: string } {
  const refuse = async (): Promise<never> => {
    throw new Error(`${specName(spec)} is not open`);
  };
  return { name: specName(spec), version: '', settings: [], reason, encode: refuse, decode: refuse };
}

/**
 * Opens codecs in this process; those that do not open have a `reason`.
 *
 * @param threads of engine, sharp and programs; 0 leaves the choice to them
 */
export async function openLocalMeasurer(
  specs: readonly CodecSpec[],
  threads: number,
  metrics: Metrics,
): Promise<Measurer> {
  const codecs = [];
  for (const spec of specs) {
    const codec = await openCodec(spec, threads).catch((error: unknown) =>
      absentCodec(spec, reasonOf(error)),
    );
    codecs.push({ ...codec, kind: kindOf(spec) });
  }
  return localMeasurer(codecs, metrics);
}
