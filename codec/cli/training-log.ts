/**
 * What a training run tells: JSON lines into RUN/log.jsonl and, where standard output is no terminal, there too; a
 * progress bar with a line per validation where standard error is one.
 *
 * Lines: start, step (means over `every` steps), validation, checkpoint, skip, end; each has `type` and `time`.
 */
import { appendFileSync } from 'node:fs';
import type { StepMetrics } from '../../src/training/trainer.js';
import type { ValidationResult } from '../../src/training/validation.js';
import type { Context } from './context.js';
import { Progress } from './progress.js';
import { count, seconds } from './text.js';

const mean = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

const psnrOf = (meanSquaredError: number): number => -10 * Math.log10(meanSquaredError);

export interface TrainingLogOptions {
  /** Where the lines are kept; undefined before the run's folder is known to be good. */
  readonly file: string;
  readonly steps: number;
  readonly done: number;
  /** Steps per line. */
  readonly every: number;
  readonly json: boolean;
}

export class TrainingLog {
  readonly #context: Context;
  readonly #options: TrainingLogOptions;
  readonly #bar: Progress | undefined;
  #sums: Record<'loss' | 'bpp' | 'mse' | 'gradientNorm' | 'seconds', number>;
  #steps = 0;
  #smoothed: number | undefined;

  constructor(context: Context, options: TrainingLogOptions) {
    this.#context = context;
    this.#options = options;
    const { stderr } = context.streams;
    this.#bar = stderr.isTTY ? new Progress(stderr, options.steps, options.done) : undefined;
    this.#sums = { loss: 0, bpp: 0, mse: 0, gradientNorm: 0, seconds: 0 };
  }

  /** One JSON line. */
  write(type: string, fields: Readonly<Record<string, unknown>>): void {
    const line = JSON.stringify({ type, time: new Date().toISOString(), ...fields });
    appendFileSync(this.#options.file, `${line}\n`);
    if (this.#options.json || !this.#context.streams.stdout.isTTY) this.#context.print(line);
  }

  /** A line for people; only where they look at a bar. */
  say(line: string): void {
    this.#bar?.say(line);
  }

  step(step: number, metrics: StepMetrics, elapsed: number): void {
    const sums = this.#sums;
    sums.loss += metrics.loss;
    sums.bpp += mean(metrics.rate);
    sums.mse += mean(metrics.distortion);
    sums.gradientNorm += metrics.gradientNorm;
    sums.seconds += elapsed;
    this.#steps++;
    this.#smoothed = (this.#smoothed ?? metrics.loss) * 0.98 + metrics.loss * 0.02;
    const pace = seconds(sums.seconds / this.#steps);
    this.#bar?.update(step, `loss ${this.#smoothed.toFixed(3)}  ${pace}/step`);
    if (step % this.#options.every === 0 || step === this.#options.steps) this.#flush(step);
  }

  #flush(step: number): void {
    const per = (value: number): number => value / this.#steps;
    const { loss, bpp, mse, gradientNorm, seconds: elapsed } = this.#sums;
    this.write('step', {
      step,
      steps: this.#steps,
      loss: per(loss),
      bpp: per(bpp),
      psnr: psnrOf(per(mse)),
      gradientNorm: per(gradientNorm),
      seconds: per(elapsed),
    });
    this.#sums = { loss: 0, bpp: 0, mse: 0, gradientNorm: 0, seconds: 0 };
    this.#steps = 0;
  }

  validation(step: number, { loss, points }: ValidationResult): void {
    this.write('validation', { step, loss, points });
    const text = points.map(({ bpp, psnr }) => `${bpp.toFixed(3)} bpp ${psnr.toFixed(2)} dB`).join(' | ');
    this.say(`step ${count(step)}: validation loss ${loss.toFixed(4)} | ${text}`);
  }

  checkpoint(step: number, path: string): void {
    this.write('checkpoint', { step, path });
  }

  skip(file: string, reason: string): void {
    this.write('skip', { file, reason });
    if (this.#bar) this.say(`skipped ${file}: ${reason}`);
    else this.#context.say(`skipped ${file}: ${reason}`);
  }

  /** Writes what has been gathered since the last line. */
  end(step: number, reason: 'finished' | 'stopped'): void {
    if (this.#steps > 0) this.#flush(step);
    this.write('end', { step, reason });
    this.#bar?.end();
  }
}
