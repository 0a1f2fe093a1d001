/**
 * One or more small graphs for every operation that has a gradient: awkward shapes, broadcasting in every direction,
 * scalars, operands used twice. The type of `cases` makes the compiler ask for a case when an operation is added.
 */
import type { Op, Tensor } from '../../../src/graph/graph.js';
import * as g from '../../../src/graph/operations.js';
import type { Shape } from '../../../src/graph/shape.js';

/** Operations that no gradient flows through, or that are made only by gradients and have no second one. */
export type OpWithoutGradient =
  | 'input'
  | 'constant'
  | 'scalar'
  | 'sign'
  | 'greaterEqual'
  | 'stopGradient'
  | 'depthwiseFilterGradient'
  | 'convFilterGradient';

export interface Case {
  readonly inputs: Readonly<Record<string, Shape>>;
  readonly build: (inputs: Record<string, Tensor>) => Tensor;
  /** Range of the random values. */
  readonly range?: readonly [number, number];
}

type Binary = (a: Tensor, b: Tensor) => Tensor;

/** Every way in which two shapes may broadcast. */
const shapePairs: readonly (readonly [Shape, Shape])[] = [
  [
    [2, 3, 5],
    [2, 3, 5],
  ],
  [[2, 3, 5], [5]],
  [[5], [2, 3, 5]],
  [
    [2, 3, 5],
    [3, 1],
  ],
  [
    [2, 1, 5],
    [1, 3, 1],
  ],
  [
    [3, 1],
    [2, 1, 4],
  ],
  [[], [2, 3]],
  [[2, 3], []],
  [
    [1, 1],
    [2, 3],
  ],
  [[1], [1, 1, 1]],
  [[], []],
];

const unary = (f: (x: Tensor) => Tensor, low = -2, high = 2): Case[] =>
  [[3, 5], [], [1, 2, 1, 3]].map((shape) => ({
    inputs: { x: shape },
    build: ({ x }) => f(x),
    range: [low, high] as const,
  }));

const binary = (f: Binary, low = -2, high = 2): Case[] => [
  ...shapePairs.map(([a, b]) => ({
    inputs: { a, b },
    build: ({ a, b }: Record<string, Tensor>) => f(a, b),
    range: [low, high] as const,
  })),
  // Both operands depend on one tensor, and both are explicit broadcasts.
  {
    inputs: { x: [2, 3] },
    build: ({ x }) => f(g.exp(x), g.mul(g.sigmoid(x), 2)),
    range: [low, high],
  },
  {
    inputs: { a: [1, 1], b: [1, 4] },
    build: ({ a, b }) => f(g.broadcastTo(a, [3, 4]), g.broadcastTo(b, [3, 4])),
    range: [low, high],
  },
  { inputs: { x: [2, 3] }, build: ({ x }) => f(x, x.graph.scalar(0.75)), range: [low, high] },
  { inputs: { x: [2, 3] }, build: ({ x }) => f(x.graph.scalar(0.75), x), range: [low, high] },
];

export const cases: Record<Exclude<Op, OpWithoutGradient>, readonly Case[]> = {
  neg: unary((x) => g.exp(g.neg(x))),
  abs: unary(g.abs),
  exp: unary(g.exp),
  log: unary(g.log, 0.3, 3),
  sqrt: unary(g.sqrt, 0.3, 3),
  square: unary((x) => g.mul(x, x)),
  reciprocal: unary(g.reciprocal, 0.3, 3),
  sigmoid: unary(g.sigmoid, -8, 8),
  tanh: unary(g.tanh),
  softplus: unary(g.softplus, -8, 8),
  leakyRelu: unary((x) => g.leakyRelu(x, 0.1)),
  normalTail: unary(g.normalTail, -4, 6),
  // Their documented rules differ from the derivative; gradients.test.ts checks those, here only where they agree.
  straightThroughRound: unary((x) => g.sub(g.square(x), g.mul(g.straightThroughRound(x), 0))),
  lowerBound: unary((x) => g.lowerBound(x, 0.5), 0.6, 2),
  clipGradient: unary((x) => g.clipGradient(g.exp(x), 100)),

  add: binary(g.add),
  sub: binary(g.sub),
  mul: binary(g.mul),
  div: binary(g.div, 0.5, 2),
  max: binary(g.maximum),
  min: binary(g.minimum),
  leakyReluGradient: [
    {
      inputs: { dy: [2, 3, 4] },
      build: ({ dy }) => {
        const y = dy.graph.constant(
          Array.from({ length: 24 }, (_, k) => Math.sin(k)),
          [2, 3, 4],
        );
        return g.leakyReluGradient(g.square(dy), y, 0.2);
      },
    },
  ],

  sum: (
    [
      [[2, 3, 4], [0], false],
      [[2, 3, 4], [1], true],
      [[2, 3, 4], [0, 2], false],
      [[2, 3, 4], [-1], true],
      [[2, 1, 4], undefined, false],
      [[2, 3], [0, 1], true],
    ] as const
  ).map(([shape, axes, keepDims]) => ({
    inputs: { x: shape },
    build: ({ x }) => g.square(g.sum(g.exp(x), axes, keepDims)),
  })),

  reshape: [{ inputs: { x: [2, 3, 4] }, build: ({ x }) => g.exp(g.reshape(g.square(x), [4, 6])) }],
  transpose: [
    { inputs: { x: [2, 3] }, build: ({ x }) => g.transpose(x, [1, 0]) },
    { inputs: { x: [2, 3, 4, 5] }, build: ({ x }) => g.transpose(g.square(x), [2, 0, 3, 1]) },
  ],
  broadcastTo: [
    { inputs: { x: [3, 1] }, build: ({ x }) => g.broadcastTo(x, [2, 3, 4]) },
    { inputs: { x: [] }, build: ({ x }) => g.broadcastTo(g.exp(x), [2, 3]) },
    { inputs: { x: [1, 3] }, build: ({ x }) => g.broadcastTo(g.broadcastTo(x, [2, 3]), [4, 2, 3]) },
  ],
  slice: [
    { inputs: { x: [5] }, build: ({ x }) => g.slice(x, [1], [3]) },
    { inputs: { x: [2, 3, 4, 5] }, build: ({ x }) => g.slice(g.square(x), [1, 0, 2, 1], [1, 3, 2, 3]) },
    { inputs: { x: [2, 5, 3] }, build: ({ x }) => g.mul(g.sliceChannels(x, 0, 2), g.sliceChannels(x, 1, 2)) },
  ],
  pad: [
    { inputs: { x: [3] }, build: ({ x }) => g.exp(g.pad(x, [2], [0])) },
    { inputs: { x: [2, 1, 3, 2] }, build: ({ x }) => g.exp(g.pad(x, [0, 1, 2, 0], [1, 0, 1, 3])) },
  ],
  concat: [
    {
      inputs: { a: [2, 3], b: [2, 1] },
      build: ({ a, b }) => g.square(g.concat([a, b, a], 1)),
    },
    {
      inputs: { a: [1, 2, 3, 2], b: [4, 2, 3, 2] },
      build: ({ a, b }) => g.square(g.concat([b, a], 0)),
    },
  ],
  spaceToDepth: [
    { inputs: { x: [2, 3, 4, 6] }, build: ({ x }) => g.spaceToDepth(g.square(x), 2) },
    { inputs: { x: [1, 1, 3, 9] }, build: ({ x }) => g.spaceToDepth(g.square(x), 3) },
  ],
  depthToSpace: [
    { inputs: { x: [2, 12, 1, 3] }, build: ({ x }) => g.depthToSpace(g.square(x), 2) },
    { inputs: { x: [1, 9, 2, 1] }, build: ({ x }) => g.depthToSpace(g.square(x), 3) },
  ],

  matMul: [
    ...[false, true].flatMap((transposeA) =>
      [false, true].map((transposeB) => ({
        inputs: { a: transposeA ? [3, 2] : [2, 3], b: transposeB ? [5, 3] : [3, 5] },
        build: ({ a, b }: Record<string, Tensor>) => g.matMul(a, b, { transposeA, transposeB }),
      })),
    ),
    {
      inputs: { a: [2, 3, 4, 2], b: [2, 3, 5, 4] },
      build: ({ a, b }) => g.matMul(a, b, { transposeA: true, transposeB: true }),
    },
    { inputs: { x: [3, 4] }, build: ({ x }) => g.matMul(x, x, { transposeB: true }) },
  ],
  pointwise: [
    { inputs: { x: [2, 3, 2, 5], w: [4, 3] }, build: ({ x, w }) => g.pointwise(x, w) },
    { inputs: { x: [1, 2, 1, 3], w: [1, 2], b: [1] }, build: ({ x, w, b }) => g.pointwise(x, w, b) },
    { inputs: { x: [2, 3, 2, 2], w: [3, 3] }, build: ({ x, w }) => g.pointwise(g.pointwise(x, w), w) },
  ],
  depthwise: [
    { inputs: { x: [2, 3, 4, 5], w: [3, 3, 3], b: [3] }, build: ({ x, w, b }) => g.depthwise(x, w, b) },
    { inputs: { x: [1, 2, 2, 3], w: [2, 5, 1] }, build: ({ x, w }) => g.depthwise(x, w) },
  ],
  conv: [
    { inputs: { x: [2, 3, 4, 5], w: [2, 3, 3, 3], b: [2] }, build: ({ x, w, b }) => g.conv(x, w, b) },
    { inputs: { x: [1, 2, 5, 4], w: [3, 2, 2, 4] }, build: ({ x, w }) => g.conv(x, w) },
    ...(
      [
        [2, [2, 2, 2, 2], 5],
        [2, [1, 2, 0, 1], 4],
        [3, [0, 0, 0, 0], 2],
      ] as const
    ).map(([stride, padding, kernel]) => ({
      inputs: { x: [2, 2, 7, 6], w: [3, 2, kernel, kernel], b: [3] },
      build: ({ x, w, b }: Record<string, Tensor>) => g.conv(x, w, b, { stride, padding }),
    })),
  ],
  convInputGradient: (
    [
      [1, [1, 1, 1, 1], 3, [5, 4]],
      [2, [2, 2, 2, 2], 5, [3, 2]],
      [2, [1, 2, 0, 1], 4, [2, 2]],
    ] as const
  ).map(([stride, padding, kernel, [h, w]]) => ({
    inputs: { dy: [2, 3, h, w], w: [3, 2, kernel, kernel] },
    build: ({ dy, w: weights }) => g.convInputGradient(dy, weights, [2, 2, 5, 4], { stride, padding }),
  })),
};
