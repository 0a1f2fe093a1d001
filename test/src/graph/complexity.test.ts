import { describe, expect, it } from 'vitest';
import { totalMacs } from '../../../src/graph/complexity.js';
import { conv, depthwise, Graph, gradients, matMul, mul, pointwise, sum } from '../../../src/graph/index.js';

describe('multiply-accumulates', () => {
  it('counts each linear operation, and each gradient as much as its operation', () => {
    const graph = new Graph();
    const x = graph.input('x', [2, 6, 8, 8]);
    const cases = [
      { weights: graph.input('w1', [10, 6]), apply: pointwise, macs: 2 * 64 * 10 * 6 },
      { weights: graph.input('w2', [6, 3, 3]), apply: depthwise, macs: 2 * 64 * 6 * 9 },
      { weights: graph.input('w3', [10, 6, 5, 5]), apply: conv, macs: 2 * 64 * 10 * 6 * 25 },
    ];
    for (const { weights, apply, macs } of cases) {
      const y = apply(x, weights);
      expect(totalMacs([y])).toBe(macs);
      const loss = sum(mul(y, y));
      expect(totalMacs(gradients(loss, [weights]))).toBe(2 * macs);
      expect(totalMacs(gradients(loss, [weights, x]))).toBe(3 * macs);
    }
  });

  it('counts matrix products as they are stored', () => {
    const graph = new Graph();
    const a = graph.input('a', [5, 3, 4]);
    const b = graph.input('b', [5, 4, 7]);
    expect(totalMacs([matMul(a, b)])).toBe(5 * 3 * 4 * 7);
    const c = graph.input('c', [5, 4, 3]);
    expect(totalMacs([matMul(c, b, { transposeA: true })])).toBe(5 * 3 * 4 * 7);
  });
});
