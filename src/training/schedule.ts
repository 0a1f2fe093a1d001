/** Learning rate and EMA decay as functions of the step's number (1-based): warm-up, plateau, cosine decay at the end. */

export interface Schedule {
  readonly steps: number;
  readonly learningRate: number;
  readonly warmup: number;
  /** Steps done when the optimizer last started anew: the warm-up begins there. */
  readonly restart: number;
  /** Part of the steps, at the end, over which the rate falls. */
  readonly decayPart: number;
  readonly emaDecay: number;
}

const finalPart = 0.02;
/** Steps of linear warm-up, and the part of the schedule over which the rate falls, where nothing else is said. */
const shape = { warmup: 100, decayPart: 0.2 } as const;

/** The schedule that a run of these options follows. */
export function scheduleOf(
  options: Pick<Schedule, 'steps' | 'learningRate' | 'emaDecay'> & Partial<Pick<Schedule, 'restart'>>,
): Schedule {
  const { steps, learningRate, emaDecay, restart = 0 } = options;
  return { steps, learningRate, emaDecay, restart, ...shape };
}

export function learningRateAt(schedule: Schedule, step: number): number {
  const warm = Math.min(1, (step - schedule.restart) / schedule.warmup);
  const decayStart = schedule.steps * (1 - schedule.decayPart);
  if (step <= decayStart) return schedule.learningRate * warm;
  const progress = Math.min(1, (step - decayStart) / Math.max(1, schedule.steps - decayStart));
  const cosine = 0.5 * (1 + Math.cos(Math.PI * progress));
  return schedule.learningRate * warm * (finalPart + (1 - finalPart) * cosine);
}

/** Short averages first, so that the average does not remember the untrained weights. */
export function emaDecayAt(schedule: Schedule, step: number): number {
  return Math.min(schedule.emaDecay, (1 + step) / (10 + step));
}
