/** The kernels against their readable twin, all bits, for awkward sizes. */
import { describe, it } from 'vitest';
import {
  abs,
  add,
  broadcastTo,
  concat,
  conv,
  depthToSpace,
  depthwise,
  div,
  Graph,
  leakyRelu,
  leakyReluGradient,
  lowerBound,
  maximum,
  minimum,
  mul,
  neg,
  type Operand,
  pointwise,
  reshape,
  sliceChannels,
  spaceToDepth,
  sqrt,
  square,
  straightThroughRound,
  sub,
  type Tensor,
  transpose,
} from '../../../src/graph/index.js';
import { expectTwins, generator } from './support.js';

const sizes = [
  [1, 1],
  [3, 5],
  [7, 9],
  [16, 16],
  [33, 17],
] as const;

describe.each(sizes)('%i x %i pixels', (height, width) => {
  it.each([
    [1, 1],
    [2, 3],
    [4, 4],
    [5, 8],
    [7, 40],
    [16, 6],
    [33, 17],
    [40, 39],
  ])('pointwise %i -> %i channels', (inputs, outputs) => {
    const graph = new Graph();
    const x = graph.input('x', [1, inputs, height, width]);
    const weights = graph.input('w', [outputs, inputs]);
    const bias = graph.input('b', [outputs]);
    const y = pointwise(x, weights, bias);
    expectTwins({ y, active: leakyRelu(y, 0.1), fused: leakyRelu(pointwise(x, weights), 0.2) });
  });

  it.each([
    [1, 3, 3],
    [5, 3, 3],
    [3, 1, 1],
    [2, 5, 5],
    [3, 7, 3],
    [2, 1, 9],
  ])('depthwise %i channels, kernel %i x %i', (channels, kh, kw) => {
    const graph = new Graph();
    const x = graph.input('x', [1, channels, height, width]);
    const weights = graph.input('w', [channels, kh, kw]);
    const bias = graph.input('b', [channels]);
    const plain = depthwise(x, weights);
    expectTwins({ plain, fused: leakyRelu(depthwise(x, weights, bias), 0.3) });
  });

  it.each([
    [1, 1, 3, 3, 1],
    [3, 5, 5, 3, 1],
    [4, 9, 2, 2, 1],
    [5, 3, 5, 5, 2],
    [2, 6, 3, 3, 3],
  ])('conv %i -> %i channels, kernel %i x %i, stride %i', (inputs, outputs, kh, kw, stride) => {
    const graph = new Graph();
    const x = graph.input('x', [1, inputs, height, width]);
    const weights = graph.input('w', [outputs, inputs, kh, kw]);
    const bias = graph.input('b', [outputs]);
    const plain = conv(x, weights, undefined, { stride, padding: [1, 2, 3, 2] });
    expectTwins({ plain, fused: leakyRelu(conv(x, weights, bias), 0.01) });
  });

  it('what gradients need: transposed matrices, flipped kernels, slopes of activations', () => {
    const graph = new Graph();
    const x = graph.input('x', [1, 7, height, width]);
    const weights = graph.input('w', [7, 5]);
    const kernels = graph.input('wk', [7, 3, 5]);
    const active = leakyRelu(depthwise(x, graph.input('wd', [7, 3, 3])), 0.2);
    expectTwins({
      plain: depthwise(x, kernels),
      flipped: depthwise(x, kernels, undefined, true),
      back: pointwise(x, transpose(weights, [1, 0])),
      forth: pointwise(pointwise(x, transpose(weights, [1, 0])), weights),
      slopes: leakyReluGradient(mul(x, 3), active, 0.2),
      whole: active,
    });
  });

  it('elementwise operations', () => {
    const graph = new Graph();
    const channels = 3;
    const shape = [1, channels, height, width];
    const x = graph.input('x', shape);
    const y = graph.input('y', shape);
    const operands: Operand[] = [
      y,
      graph.input('perChannel', [1, channels, 1, 1]),
      graph.input('plane', [1, 1, height, width]),
      graph.input('b', [channels, 1, 1]),
      graph.constant([0.3], [1]),
      0.7,
    ];
    const outputs: Record<string, Tensor> = {};
    operands.forEach((operand, k) => {
      for (const operation of [add, sub, mul, maximum, minimum]) {
        outputs[`${operation.name}${k}`] = operation(x, operand);
        outputs[`${operation.name}${k}swapped`] = operation(operand, x);
      }
      outputs[`div${k}`] = div(x, add(abs(typeof operand === 'number' ? y : operand), 0.01));
    });
    outputs.outer = mul(operands[1], operands[2]);
    outputs.rounded = straightThroughRound(x);
    outputs.bounded = lowerBound(x, -0.5);
    outputs.chain = leakyRelu(neg(sqrt(square(abs(x)))), 0.4);
    outputs.leaky = leakyRelu(x, 0.1);
    outputs.repeated = broadcastTo(operands[1] as Tensor, shape);
    expectTwins(outputs);
  });

  it.each([1, 2, 3])('shuffles, concatenation and slices in blocks of %i', (block) => {
    const graph = new Graph();
    const deep = graph.input('x', [1, 4 * block * block, height, width]);
    const shallow = depthToSpace(deep, block);
    const again = spaceToDepth(mul(shallow, 2), block);
    const parts = [sliceChannels(again, 2, 1), deep, sliceChannels(deep, 1, 2)];
    const joined = concat(parts, 1);
    const flat = reshape(joined, [joined.shape[1], height * width]);
    expectTwins({ shallow, again, joined, flat, part: sliceChannels(joined, 1, 3) });
  });
});

/** A small network of random layers on one picture; every layer's width differs. */
function randomNetwork(seed: number): Record<string, Tensor> {
  const random = generator(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const graph = new Graph();
  const [height, width] = [2 * (1 + below(9)), 2 * (1 + below(9))];
  let x: Tensor = graph.input('x', [1, 1 + below(40), height, width]);
  const gain = (channels: number, k: number): Tensor => graph.input(`gain${k}`, [1, channels, 1, 1]);
  for (let k = 0; k < 8; k++) {
    const channels = x.shape[1];
    const outputs = 1 + below(40);
    const layer = below(7);
    if (layer <= 1)
      x = pointwise(x, graph.input(`w${k}`, [outputs, channels]), graph.input(`b${k}`, [outputs]));
    if (layer === 1) x = leakyRelu(x, 0.01);
    if (layer === 2) x = add(depthwise(x, graph.input(`w${k}`, [channels, 3, 3])), x);
    if (layer === 3) x = mul(x, gain(channels, k));
    if (layer === 4) x = concat([sliceChannels(x, 0, (channels + 1) >> 1), leakyRelu(x, 0.2)], 1);
    if (layer === 5 && x.shape[2] % 2 === 0 && x.shape[3] % 2 === 0) x = spaceToDepth(x, 2);
    if (layer === 6 && channels % 4 === 0) x = depthToSpace(x, 2);
    x = maximum(minimum(x, 64), -64);
  }
  return { x, doubled: mul(x, 2) };
}

describe('random networks', () => {
  it.each(Array.from({ length: 24 }, (_, seed) => seed))('seed %i', (seed) => {
    expectTwins(randomNetwork(seed), seed);
  });

  it('takes weights that are computed in the graph, and constants', () => {
    const graph = new Graph();
    const x = graph.input('x', [1, 5, 4, 4]);
    const weights = mul(graph.input('w', [6, 5]), graph.input('scale', [6, 1]));
    const kernel = graph.constant(
      Float32Array.from({ length: 6 * 9 }, (_, k) => k / 7),
      [6, 3, 3],
    );
    const bias = graph.constant([1, 2, 3, 4, 5, 6], [6]);
    expectTwins({ y: depthwise(pointwise(x, weights, bias), kernel, bias), w: weights });
  });

  it('hands out inputs and parameters', () => {
    const graph = new Graph();
    const x = graph.input('x', [1, 2, 1, 1]);
    expectTwins({ x, same: x, w: graph.input('w', [3]), product: mul(x, 2) });
  });
});
