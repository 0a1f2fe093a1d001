/**
 * Measurers in processes of their own, so that both cores work and a codec that crashes takes down its task only. Each
 * process opens the codecs itself, with a fixed number of threads.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { UnsupportedError } from '../src/errors.js';
import { packageRoot } from '../src/io/index.js';
import type { CodecSpec } from './codec-specs.js';
import type { Measurement } from './measure.js';
import type { Measurer, OpenedCodec } from './measurer.js';
import type { MetricName } from './metrics/metrics.js';
import type { Reply, Request } from './worker.js';

/** Worker processes run compiled code: what `npm run build` makes. */
const script = (): string => join(packageRoot(), 'dist', 'eval', 'worker.js');

export interface WorkerOptions {
  /** Of each worker's engine, sharp and programs. */
  readonly threads: number;
  readonly metrics: readonly MetricName[];
}

/** One process, with at most one request at a time. */
class Worker {
  #child: ChildProcess | undefined;

  constructor(readonly open: Request) {}

  /** Sends a request and takes replies until one ends it; starts the process where there is none. */
  async request(request: Request, onResult: (result: Measurement) => Promise<void>): Promise<Reply> {
    if (!this.#child) {
      // Infinities survive this serialization.
      const started = fork(script(), { serialization: 'advanced' });
      this.#child = started;
      // For its whole life: it may end between requests, too.
      const gone = (): void => {
        if (this.#child === started) this.#child = undefined;
      };
      started.on('exit', gone).on('error', gone);
      if (request !== this.open) await this.request(this.open, onResult);
    }
    const child = this.#child;
    if (!child) throw new UnsupportedError('Expected a worker process but it ended as it began');
    let kept: Promise<void> = Promise.resolve();
    const reply = await new Promise<Reply>((resolve, reject) => {
      const onMessage = (message: Reply): void => {
        if (message.type === 'result') {
          kept = kept.then(() => onResult(message.result));
          kept.catch((error) => {
            // Nobody wants the rest of the request: the process goes, and the next request has another.
            if (this.#child === child) this.#child = undefined;
            settle(() => reject(error));
            child.kill();
          });
        } else settle(() => resolve(message));
      };
      const fail = (how: string): void =>
        settle(() => reject(new UnsupportedError(`Expected a result but the worker process ${how}`)));
      const onExit = (code: number | null, signal: string | null): void =>
        fail(signal ? `was ended by ${signal}` : `ended with status ${code}`);
      const onError = (error: Error): void => fail(`failed: ${error.message}`);
      const settle = (action: () => void): void => {
        child.off('message', onMessage).off('exit', onExit).off('error', onError);
        action();
      };
      child.on('message', onMessage).on('exit', onExit).on('error', onError);
      // A channel that is closed already ends in onExit, or here.
      child.send(request, (error) => error && onError(error));
    });
    await kept;
    return reply;
  }

  async end(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.kill();
    });
  }
}

/** A measurer whose process is started again after a crash. */
async function openWorker(specs: readonly CodecSpec[], options: WorkerOptions): Promise<Measurer> {
  const open: Request = { type: 'open', specs, ...options };
  const worker = new Worker(open);
  const ignore = async (): Promise<void> => {};
  const reply = await worker.request(open, ignore);
  if (reply.type !== 'opened') {
    await worker.end();
    throw new UnsupportedError(
      reply.type === 'failed' ? reply.reason : 'Expected a worker to open its codecs',
    );
  }
  const opened: readonly OpenedCodec[] = reply.opened;
  return {
    opened,
    async measure(task, onResult) {
      const end = await worker.request({ type: 'measure', task }, onResult);
      if (end.type === 'failed') throw new UnsupportedError(end.reason);
    },
    close: () => worker.end(),
  };
}

/**
 * Opens that many workers with the same codecs.
 *
 * @throws UnsupportedError where a worker does not start
 * @example
 * const measurers = await openWorkers(2, [{ kind: 'competitor', name: 'webp' }], { threads: 1, metrics: ['psnr'] });
 */
export async function openWorkers(
  count: number,
  specs: readonly CodecSpec[],
  options: WorkerOptions,
): Promise<Measurer[]> {
  const opening = await Promise.allSettled(Array.from({ length: count }, () => openWorker(specs, options)));
  const measurers = opening.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = opening.find((one) => one.status === 'rejected');
  if (!failed) return measurers;
  await Promise.all(measurers.map((measurer) => measurer.close()));
  throw failed.reason;
}
