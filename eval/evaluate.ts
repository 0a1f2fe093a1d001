/**
 * Runs an evaluation: every codec on every picture of a data set at every setting, with what was measured before taken from
 * the store. Pictures are looked at first, so that damage is known at once; then they are the outer loop, so that a run
 * that is stopped has whole pictures. What fails is noted, and the rest goes on.
 */
import { type Dataset, type DatasetImage, loadImage } from '../datasets/index.js';
import { assemble, type CodecMeasurements, uniqueEnvironments } from './assemble.js';
import type { Environment, EvaluatedImage, Evaluation, Failure } from './evaluation.js';
import type { Measurement } from './measure.js';
import { type Measurer, type MeasureTask, type OpenedCodec, reasonOf } from './measurer.js';
import { type Metrics, metricKeys, metricsFor } from './metrics/metrics.js';
import { type Shard, shardOf } from './shard.js';
import type { ResultStore } from './store.js';

/** What the store has of a measurement: seconds say nothing without the machine and its load. */
export interface KeptMeasurement {
  readonly measurement: Measurement;
  readonly environment: Environment;
}

/** How a run stands. */
export interface RunProgress {
  /** Measurements of this run so far, and in all; those that the store had are not in them. */
  readonly done: number;
  readonly total: number;
  /** Measurements that the store had. */
  readonly reused: number;
  /** What was measured last. */
  readonly image: string;
  readonly codec: string;
}

export interface EvaluationTask {
  readonly dataset: Dataset;
  /** Only the first so many pictures. */
  readonly limit?: number;
  /** Only these of them; the others are measured elsewhere. */
  readonly shard?: Shard;
  /** They have the same codecs. */
  readonly measurers: readonly Measurer[];
  readonly metrics: Metrics;
  readonly store: ResultStore<KeptMeasurement>;
  readonly environment: Environment;
  readonly progress?: (state: RunProgress) => void;
  /** Stops after the measurements at hand; the store then has all that was measured. */
  readonly signal?: AbortSignal;
}

/** A picture that is there and sound. */
interface Picture {
  readonly entry: DatasetImage;
  readonly about: EvaluatedImage;
}

/** A task with the measurements that the store had for it. */
interface Planned extends MeasureTask {
  readonly about: EvaluatedImage;
  readonly known: readonly KeptMeasurement[];
}

async function inspect(entries: readonly DatasetImage[], failures: Failure[]): Promise<Picture[]> {
  const pictures: Picture[] = [];
  for (const entry of entries) {
    try {
      const { name, image, pixels } = await loadImage(entry);
      const { width, height } = image;
      pictures.push({ entry, about: { name, width, height, sha256: pixels } });
    } catch (error) {
      failures.push({ image: entry.name, message: reasonOf(error) });
    }
  }
  return pictures;
}

/** What a result is kept by: everything that bytes and pixels depend on, and the threads, which seconds depend on most. */
function keyOf(
  { name, version }: Pick<OpenedCodec, 'name' | 'version'>,
  { sha256 }: EvaluatedImage,
  setting: number,
  { threads }: Environment,
): string {
  return [name, version, `threads ${threads}`, sha256, setting].join(' | ');
}

/**
 * Puts the measurements of an earlier evaluation into a store that lacks them, so that codecs of the same versions need
 * not be measured again. Seconds keep the environment they were taken in; of several of a codec, the last one.
 *
 * @returns how many the store lacked
 * @example
 * await reuseMeasurements(store, parseEvaluation(await readFile('kodak.json', 'utf8'), 'kodak.json'));
 */
export async function reuseMeasurements(
  store: ResultStore<KeptMeasurement>,
  { images, codecs }: Evaluation,
): Promise<number> {
  const before = store.size;
  const imageOf = new Map(images.map((image) => [image.name, image]));
  for (const codec of codecs) {
    if (codec.kind === 'published') continue;
    const environment = codec.environments?.at(-1);
    if (!environment) continue;
    for (const measurement of codec.perImage) {
      const image = imageOf.get(measurement.image);
      const key = image && keyOf(codec, image, measurement.setting, environment);
      if (key !== undefined && !store.get(key)) await store.put(key, { measurement, environment });
    }
  }
  return store.size - before;
}

/** What is to be measured, and what is known already. */
function plan(
  { measurers, metrics, store, environment }: EvaluationTask,
  pictures: readonly Picture[],
): Planned[] {
  const codecs = measurers[0].opened;
  return pictures.flatMap(({ entry, about }) => {
    const keys = metricsFor(metrics.names, about).map((name) => metricKeys[name]);
    return codecs.map((codec, index) => {
      const known = codec.settings.flatMap((setting) => {
        const kept = store.get(keyOf(codec, about, setting, environment));
        if (!kept || keys.some((key) => kept.measurement[key] === undefined)) return [];
        // The same picture may have another name in another set.
        return [{ ...kept, measurement: { ...kept.measurement, image: about.name } }];
      });
      const settings = codec.settings.filter(
        (setting) => !known.some(({ measurement }) => measurement.setting === setting),
      );
      return { codec: index, picture: entry, about, settings, known };
    });
  });
}

function metricFailures({ metrics }: EvaluationTask, pictures: readonly Picture[]): Failure[] {
  const small = pictures.filter(
    ({ about }) => metricsFor(metrics.names, about).length < metrics.names.length,
  );
  return [
    ...metrics.missing.map(({ reason }) => ({ message: reason })),
    ...small.map(({ about: { name, width, height } }) => ({
      image: name,
      message: `too small for MS-SSIM, which is left out: ${width}x${height}`,
    })),
  ];
}

/**
 * Measures everything of a task.
 *
 * @returns the evaluation; `failures` names what could not be measured
 * @throws the signal's reason where the run was stopped
 * @example
 * const evaluation = await evaluate({ dataset, measurers, metrics, store, environment });
 */
export async function evaluate(task: EvaluationTask): Promise<Evaluation> {
  const { dataset, measurers, store, environment, signal } = task;
  const all = dataset.images.slice(0, task.limit);
  const own = task.shard ? shardOf(all, task.shard) : all;
  const codecs = measurers[0].opened;
  const failures: Failure[] = codecs.flatMap(({ name, reason }) =>
    reason === undefined ? [] : [{ codec: name, message: reason }],
  );
  const pictures = await inspect(own, failures);
  failures.push(...metricFailures(task, pictures));
  const planned = plan(task, pictures);
  const results = codecs.map((_, index) =>
    planned.flatMap(({ codec, known }) => (codec === index ? known : [])),
  );
  const count = (of: (task: Planned) => readonly unknown[]): number =>
    planned.reduce((sum, one) => sum + of(one).length, 0);
  const [total, reused] = [count(({ settings }) => settings), count(({ known }) => known)];
  let done = 0;
  const tell = (image: string, codec: string, more: number): void => {
    done += more;
    task.progress?.({ done, total, reused, image, codec });
  };
  const queue = planned.filter(({ settings }) => settings.length > 0).values();

  /** What the store said when it could not keep a result: the end of the run, and no fault of a codec. */
  let unkept: unknown;
  const work = async (measurer: Measurer): Promise<void> => {
    for (const one of queue) {
      if (unkept) return;
      const { codec: index, about, settings } = one;
      const codec = codecs[index];
      let open = settings.length;
      try {
        await measurer.measure(one, async (result) => {
          const kept = { measurement: result, environment };
          await store.put(keyOf(codec, about, result.setting, environment), kept).catch((error) => {
            unkept ??= error;
            throw error;
          });
          results[index].push(kept);
          open--;
          tell(about.name, codec.name, 1);
          signal?.throwIfAborted();
        });
      } catch (error) {
        signal?.throwIfAborted();
        if (unkept) throw unkept;
        failures.push({ image: about.name, codec: codec.name, message: reasonOf(error) });
        tell(about.name, codec.name, open);
      }
    }
  };
  // All of them end before anybody is told why: a result that comes later would be told of after the end.
  const ends = await Promise.allSettled(measurers.map(work));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;

  const measured: CodecMeasurements[] = codecs.flatMap(({ reason, ...codec }, index) => {
    if (reason !== undefined) return [];
    const environments = uniqueEnvironments(results[index].map((kept) => kept.environment));
    return [{ ...codec, environments, perImage: results[index].map(({ measurement }) => measurement) }];
  });
  const used = measured.flatMap(({ environments = [] }) => environments);
  return assemble({
    dataset: dataset.name,
    scope: {
      images: all.map(({ name }) => name),
      complete: dataset.complete && all.length === dataset.images.length,
    },
    images: pictures.map(({ about }) => about),
    // Where nothing could be measured, the machine that tried.
    environments: uniqueEnvironments(used.length > 0 ? used : [environment]),
    codecs: measured,
    failures,
  });
}
