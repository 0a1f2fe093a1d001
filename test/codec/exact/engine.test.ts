/** Programs: sharing, memory, limits, messages, and bits that must never change. */
import { describe, expect, it } from 'vitest';
import { compileExact, ExactWeights, runReference } from '../../../codec/exact/index.js';
import { UnsupportedError, UsageError } from '../../../src/errors.js';
import {
  add,
  concat,
  depthToSpace,
  depthwise,
  exp,
  Graph,
  leakyRelu,
  mul,
  pointwise,
  sizeOf,
  sliceChannels,
  spaceToDepth,
  type Tensor,
} from '../../../src/graph/index.js';
import { checksum, firstDifference, generator, randomInputs, randomValues } from './support.js';

const channels = 12;

/** Depth-conv blocks as the codec's networks have them. */
function network(height: number, width: number, depth = 3): Tensor {
  const graph = new Graph();
  let x = spaceToDepth(graph.input('picture', [1, 3, 2 * height, 2 * width]), 2);
  for (let k = 0; k < depth; k++) {
    const first = pointwise(
      x,
      graph.input(`w${k}.a`, [channels, channels]),
      graph.input(`b${k}`, [channels]),
    );
    const mixed = depthwise(leakyRelu(first, 0.01), graph.input(`w${k}.d`, [channels, 3, 3]));
    const wide = leakyRelu(pointwise(mixed, graph.input(`w${k}.e`, [2 * channels, channels])), 0.01);
    x = add(pointwise(wide, graph.input(`w${k}.f`, [channels, 2 * channels])), x);
    x = mul(x, graph.input(`gain${k}`, [1, channels, 1, 1]));
  }
  return depthToSpace(concat([x, sliceChannels(x, 2, 4)], 1), 2);
}

function modelOf({ graph }: Tensor, seed: number): Map<string, Float32Array> {
  const random = generator(seed);
  return new Map(
    [...graph.inputs]
      .filter(([name]) => name !== 'picture')
      .map(([name, { shape }]) => [name, Float32Array.from({ length: sizeOf(shape) }, () => random() - 0.5)]),
  );
}

describe('golden bits', () => {
  it('gives the recorded bits of a seeded network', () => {
    const y = network(11, 13);
    const picture = randomValues(3 * 22 * 26, generator(7));
    const model = modelOf(y, 5);
    const result = compileExact({ y }, model).run({ picture }).y;
    expect(result.every(Number.isFinite)).toBe(true);
    expect(checksum(result)).toBe('d5cde141');
    expect(checksum(runReference({ y }, { picture, ...Object.fromEntries(model) }).y)).toBe('d5cde141');
  });

  it('gives a pixel the same bits in pictures of different sizes', () => {
    // A 1x1 network: every pixel stands alone, wherever blocks and tails happen to lie.
    const pixelwise = (width: number): Tensor => {
      const graph = new Graph();
      const x = graph.input('x', [1, 19, 1, width]);
      const y = leakyRelu(pointwise(x, graph.input('w', [23, 19]), graph.input('b', [23])), 0.1);
      return mul(y, graph.input('gain', [1, 23, 1, 1]));
    };
    const values = randomInputs(pixelwise(200).graph, 3);
    const weights = new ExactWeights(new Map(Object.entries(values).filter(([name]) => name !== 'x')));
    const whole = compileExact({ y: pixelwise(200) }, weights).run({ x: values.x }).y;
    for (const width of [1, 5, 8, 63, 77]) {
      const first = 200 - width;
      const crop = (from: Float32Array): Float32Array =>
        Float32Array.from({ length: (from.length / 200) * width }, (_, k) => {
          const column = k % width;
          return from[((k - column) / width) * 200 + first + column];
        });
      const part = compileExact({ y: pixelwise(width) }, weights).run({ x: crop(values.x) }).y;
      expect(firstDifference(part, crop(whole))).toBe(-1);
    }
  });
});

describe('weights', () => {
  it('are packed once for programs of several sizes, which can be run in turn', () => {
    const sizes = [
      [4, 4],
      [9, 6],
      [1, 2],
    ] as const;
    const model = modelOf(network(1, 1), 5);
    const weights = new ExactWeights(model);
    const programs = sizes.map(([height, width]) => compileExact({ y: network(height, width) }, weights));
    const { bytes } = weights;
    for (let turn = 0; turn < 2; turn++) {
      programs.forEach((program, k) => {
        const [height, width] = sizes[k];
        const picture = randomValues(12 * height * width, generator(k));
        const alone = compileExact({ y: network(height, width) }, model).run({ picture }).y;
        expect(firstDifference(program.run({ picture }).y, alone)).toBe(-1);
      });
    }
    expect(weights.bytes).toBe(bytes);
  });

  it('may be uploaded later without disturbing older programs', () => {
    const weights = new ExactWeights(modelOf(network(1, 1, 3), 5));
    const small = compileExact({ y: network(3, 3, 1) }, weights);
    const picture = randomValues(108, generator(1));
    const before = small.run({ picture }).y;
    compileExact({ y: network(8, 8, 3) }, weights).run({ picture: randomValues(768, generator(2)) });
    expect(firstDifference(small.run({ picture }).y, before)).toBe(-1);
  });

  it('of a wrong size are refused by name', () => {
    const y = network(2, 2);
    const model = modelOf(y, 1).set('w1.d', new Float32Array(5));
    expect(() => compileExact({ y }, model)).toThrow(
      new UsageError('parameter w1.d: expected 108 values, got 5'),
    );
  });
});

describe('programs', () => {
  it('run the examples of the documentation', () => {
    const graph = new Graph();
    const x = graph.input('x', [1, 1, 2, 2]);
    const program = compileExact({ y: mul(x, 3) }, new Map());
    expect([...program.run({ x: new Float32Array([1, 2, 3, 4]) }).y]).toEqual([3, 6, 9, 12]);
    expect([...runReference({ y: mul(x, 3) }, { x: new Float32Array([1, 2, 3, 4]) }).y]).toEqual([
      3, 6, 9, 12,
    ]);
  });

  it('agree with convolutions worked out by hand', () => {
    const graph = new Graph();
    const x = graph.input('x', [1, 2, 1, 3]);
    const mixed = pointwise(x, graph.constant([1, 10, 0, -1], [2, 2]), graph.constant([0.5, 0], [2]));
    const shifted = depthwise(x, graph.constant([1, 0, 0, 0, 0, 2], [2, 1, 3]));
    const result = compileExact({ mixed, shifted }, new Map()).run({
      x: new Float32Array([1, 2, 3, 4, 5, 6]),
    });
    expect([...result.mixed]).toEqual([41.5, 52.5, 63.5, -4, -5, -6]);
    expect([...result.shifted]).toEqual([0, 1, 2, 10, 12, 0]);
  });

  it('tell their inputs and outputs', () => {
    const y = network(2, 3);
    const program = compileExact({ y }, modelOf(y, 1));
    expect([...program.inputs]).toEqual([['picture', [1, 3, 4, 6]]]);
    expect([...program.outputs]).toEqual([['y', [1, 4, 4, 6]]]);
  });

  it('refuse missing and short inputs', () => {
    const y = network(2, 3);
    const program = compileExact({ y }, modelOf(y, 1));
    expect(() => program.run({})).toThrow(
      new UsageError('input picture: expected 72 values for [1,3,4,6], got none'),
    );
    expect(() => program.run({ picture: new Float32Array(3) })).toThrow(UsageError);
  });

  it('refuse other operations by name, and batches', () => {
    const graph = new Graph();
    const x = graph.input('x', [2, 4, 2, 2]);
    expect(() => compileExact({ y: exp(x) }, new Map())).toThrow(UnsupportedError);
    expect(() => compileExact({ y: exp(x) }, new Map())).toThrow(/exp of x \[2,4,2,2\]/);
    expect(() => compileExact({ y: depthToSpace(x, 2) }, new Map())).toThrow(/one picture at a time/);
    expect(() => compileExact({}, new Map())).toThrow(UsageError);
  });

  it('need no more memory for deeper networks', () => {
    const bytes = (depth: number): number => {
      const y = network(16, 16, depth);
      return compileExact({ y }, modelOf(y, 1)).bytes;
    };
    expect(bytes(20)).toBe(bytes(3));
  });

  it('refuse to pass the memory limit', () => {
    const y = network(64, 64);
    const compile = (maxBytes: number) => compileExact({ y }, modelOf(y, 1), { maxBytes });
    expect(() => compile(100_000)).toThrow(UnsupportedError);
    expect(compile(10_000_000).bytes).toBeLessThan(10_000_000);
    const graph = new Graph();
    const huge = mul(graph.input('x', [1, 4096, 1024, 1024]), 2);
    expect(() => compileExact({ y: huge }, new Map())).toThrow(/at most 4294901760 bytes/);
  });
});
