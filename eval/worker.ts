/**
 * What runs in a worker process (workers.ts starts it): opens the codecs it is told of, measures the tasks it is sent, one
 * after the other, and sends every result as it comes. Ends when its parent does.
 */
import type { CodecSpec } from './codec-specs.js';
import type { Measurement } from './measure.js';
import {
  type Measurer,
  type MeasureTask,
  type OpenedCodec,
  openLocalMeasurer,
  reasonOf,
} from './measurer.js';
import { type MetricName, openMetrics } from './metrics/metrics.js';

/** From the parent. */
export type Request =
  | {
      readonly type: 'open';
      readonly specs: readonly CodecSpec[];
      readonly threads: number;
      readonly metrics: readonly MetricName[];
    }
  | { readonly type: 'measure'; readonly task: MeasureTask };

/** To the parent. */
export type Reply =
  | { readonly type: 'opened'; readonly opened: readonly OpenedCodec[] }
  | { readonly type: 'result'; readonly result: Measurement }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly reason: string };

let measurer: Measurer | undefined;

const send = (reply: Reply): void => {
  process.send!(reply);
};

async function answer(request: Request): Promise<void> {
  try {
    if (request.type === 'open') {
      const { specs, threads, metrics } = request;
      measurer = await openLocalMeasurer(specs, threads, await openMetrics(metrics));
      return send({ type: 'opened', opened: measurer.opened });
    }
    await measurer!.measure(request.task, async (result) => send({ type: 'result', result }));
    send({ type: 'done' });
  } catch (error) {
    send({ type: 'failed', reason: reasonOf(error) });
  }
}

// Started as a worker, and not loaded by accident.
if (process.send) {
  process.on('message', (request: Request) => answer(request));
  process.on('disconnect', () => process.exit());
  // Ctrl-C goes to all processes of a terminal; the parent says when to stop.
  process.on('SIGINT', () => {});
}
