/** The memory plan: blocks that live at the same time never overlap, and space is used again. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alignLine, type Block, planBlocks } from '../../../codec/exact/arena.js';

describe('planBlocks', () => {
  it('keeps live blocks apart and inside of the arena', () => {
    const lifetime = fc.record({
      bytes: fc.integer({ min: 1, max: 2000 }),
      first: fc.nat(20),
      length: fc.nat(20),
    });
    fc.assert(
      fc.property(fc.array(lifetime, { minLength: 1, maxLength: 60 }), (lifetimes) => {
        const blocks = lifetimes.map(({ bytes }): Block => ({ bytes, offset: -1 }));
        const alive = (k: number, step: number): boolean =>
          step >= lifetimes[k].first && step <= lifetimes[k].first + lifetimes[k].length;
        const steps = Array.from({ length: 41 }, (_, step) => ({
          touches: blocks.filter((_, k) => alive(k, step)),
        }));
        const total = planBlocks(steps);
        for (const { touches } of steps) {
          const sorted = [...touches].sort((a, b) => a.offset - b.offset);
          sorted.forEach((block, k) => {
            const end = sorted[k + 1]?.offset ?? total;
            expect(block.offset).toBeGreaterThanOrEqual(0);
            expect(block.offset + alignLine(block.bytes)).toBeLessThanOrEqual(end);
          });
        }
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('lets a result take the place of an operand that is not needed any more', () => {
    const [x, y, z] = [100, 100, 100].map((bytes): Block => ({ bytes, offset: 0 }));
    const bytes = planBlocks([
      { touches: [x] },
      { touches: [x, y], reuse: { operand: x, result: y } },
      { touches: [y, z], reuse: { operand: y, result: z } },
      { touches: [y, z] },
    ]);
    expect(y.offset).toBe(x.offset);
    expect(z.offset).not.toBe(y.offset);
    expect(bytes).toBe(256);
  });
});
