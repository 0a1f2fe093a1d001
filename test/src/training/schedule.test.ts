/** Learning rate and average over a run: warm-up, plateau, cosine; short averages first. */
import { describe, expect, it } from 'vitest';
import { emaDecayAt, learningRateAt, type Schedule } from '../../../src/training/schedule.js';

const schedule: Schedule = {
  steps: 1000,
  learningRate: 1e-3,
  warmup: 100,
  restart: 0,
  decayPart: 0.2,
  emaDecay: 0.999,
};
const rate = (step: number): number => learningRateAt(schedule, step);

describe('learningRateAt', () => {
  it('rises linearly, stays, and falls to a small part', () => {
    expect(rate(1)).toBeCloseTo(1e-5, 10);
    expect(rate(50)).toBeCloseTo(5e-4, 10);
    expect(rate(100)).toBe(1e-3);
    expect(rate(800)).toBe(1e-3);
    expect(rate(900)).toBeCloseTo(0.51e-3, 8);
    expect(rate(1000)).toBeCloseTo(2e-5, 10);
  });

  it('never jumps, is never zero or negative, and never rises after the warm-up', () => {
    for (let step = 2; step <= 1000; step++) {
      expect(rate(step)).toBeGreaterThan(0);
      expect(Math.abs(rate(step) - rate(step - 1))).toBeLessThanOrEqual(1.01e-5);
      if (step > 100) expect(rate(step)).toBeLessThanOrEqual(rate(step - 1));
    }
  });

  it('rises again where the optimizer starts anew', () => {
    const again = { ...schedule, restart: 400 };
    expect(learningRateAt(again, 401)).toBeCloseTo(1e-5, 10);
    expect(learningRateAt(again, 500)).toBe(1e-3);
    expect(learningRateAt(again, 900)).toBe(rate(900));
  });

  it('stays at its least beyond the last step, and works for runs of one step', () => {
    expect(rate(2000)).toBeCloseTo(2e-5, 10);
    expect(learningRateAt({ ...schedule, steps: 1 }, 1)).toBeGreaterThan(0);
  });
});

describe('emaDecayAt', () => {
  it('starts short and rises to the limit', () => {
    expect(emaDecayAt(schedule, 1)).toBeCloseTo(2 / 11, 12);
    expect(emaDecayAt(schedule, 90)).toBeCloseTo(0.91, 12);
    expect(emaDecayAt(schedule, 100_000)).toBe(0.999);
    for (let step = 2; step < 2000; step++) {
      expect(emaDecayAt(schedule, step)).toBeGreaterThanOrEqual(emaDecayAt(schedule, step - 1));
    }
  });
});
