/**
 * Reverse-mode differentiation: one vector-Jacobian product per operation, written with the same operations, so a
 * gradient is an ordinary part of the graph. Test: test/src/graph/gradients.test.ts checks every rule against finite
 * differences in float64 and against tfjs.
 */
import { UsageError } from '../errors.js';
import { ancestors, describe, type Op, type Tensor } from './graph.js';
import {
  add,
  broadcastTo,
  type ConvOptions,
  conv,
  convFilterGradient,
  convInputGradient,
  depthToSpace,
  depthwise,
  depthwiseFilterGradient,
  div,
  exp,
  greaterEqual,
  leakyReluGradient,
  matMul,
  maximum,
  minimum,
  mul,
  neg,
  pad,
  pointwise,
  reshape,
  sigmoid,
  sign,
  slice,
  spaceToDepth,
  square,
  sub,
  sum,
  transpose,
} from './operations.js';
import { type Shape, sameShape } from './shape.js';

/** Gradients for the inputs of `node`, given the gradient `g` of its output; undefined where there is none. */
type Rule = (g: Tensor, node: Tensor, ...inputs: Tensor[]) => (Tensor | undefined)[];

/** Undoes broadcasting: sums over the axes along which an operand of this shape was repeated. */
function unbroadcast(g: Tensor, shape: Shape): Tensor {
  if (sameShape(g.shape, shape)) return g;
  const missing = g.shape.length - shape.length;
  const axes = [...g.shape.keys()].filter(
    (axis) => axis < missing || (shape[axis - missing] === 1 && g.shape[axis] !== 1),
  );
  return reshape(axes.length > 0 ? sum(g, axes) : g, shape);
}

/** The input's share of max(a, b) or min(a, b): ties go to the first operand. */
const share = (g: Tensor, chosen: Tensor): Tensor => mul(g, chosen);
const biasGradient = (g: Tensor): Tensor => sum(g, [0, 2, 3]);
const inverse = (permutation: readonly number[]): number[] =>
  permutation.map((_, axis) => permutation.indexOf(axis));
const zeros = (rank: number): number[] => new Array<number>(rank).fill(0);

/** Weight gradient of a 1x1 convolution: dY [N,O,P] times X^T [N,P,I], summed over the batch. */
function pointwiseWeightGradient(g: Tensor, x: Tensor): Tensor {
  const flat = (t: Tensor): Tensor => reshape(t, [t.shape[0], t.shape[1], t.shape[2] * t.shape[3]]);
  return sum(matMul(flat(g), flat(x), { transposeB: true }), [0]);
}

const convOptions = (node: Tensor): Required<ConvOptions> => ({
  stride: node.attributes.stride as number,
  padding: node.attributes.padding as unknown as readonly [number, number, number, number],
});

const swapLast = (x: Tensor): Tensor => {
  const axes = [...x.shape.keys()];
  return transpose(x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
};

const rules: Partial<Record<Op, Rule>> = {
  add: (g) => [g, g],
  sub: (g) => [g, neg(g)],
  mul: (g, _node, a, b) => [mul(g, b), mul(g, a)],
  div: (g, node, _a, b) => [div(g, b), neg(mul(g, div(node, b)))],
  max: (g, _node, a, b) => [share(g, greaterEqual(a, b)), share(g, sub(1, greaterEqual(a, b)))],
  min: (g, _node, a, b) => [share(g, greaterEqual(b, a)), share(g, sub(1, greaterEqual(b, a)))],
  neg: (g) => [neg(g)],
  abs: (g, _node, x) => [mul(g, sign(x))],
  exp: (g, node) => [mul(g, node)],
  log: (g, _node, x) => [div(g, x)],
  sqrt: (g, node) => [div(mul(g, 0.5), node)],
  square: (g, _node, x) => [mul(g, mul(x, 2))],
  reciprocal: (g, node) => [neg(mul(g, square(node)))],
  sigmoid: (g, node) => [mul(g, mul(node, sub(1, node)))],
  tanh: (g, node) => [mul(g, sub(1, square(node)))],
  softplus: (g, _node, x) => [mul(g, sigmoid(x))],
  leakyRelu: (g, node) => [leakyReluGradient(g, node, node.attributes.slope as number)],
  leakyReluGradient: (g, node, _dy, y) => [
    leakyReluGradient(g, y, node.attributes.slope as number),
    undefined,
  ],
  straightThroughRound: (g) => [g],
  clipGradient: (g, node) => {
    const bound = node.attributes.bound as number;
    return [minimum(maximum(g, -bound), bound)];
  },
  normalTail: (g, _node, x) => [mul(g, mul(exp(mul(square(x), -0.5)), -1 / Math.sqrt(2 * Math.PI)))],
  lowerBound: (g, node, x) => [
    mul(g, maximum(greaterEqual(x, node.attributes.bound as number), sub(1, greaterEqual(g, 0)))),
  ],
  sum: (g, node, x) => {
    if (node.shape.length === 0) return [broadcastTo(g, x.shape)];
    const axes = node.attributes.axes as readonly number[];
    const kept = x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
    return [broadcastTo(reshape(g, kept), x.shape)];
  },
  reshape: (g, _node, x) => [reshape(g, x.shape)],
  transpose: (g, node) => [transpose(g, inverse(node.attributes.permutation as readonly number[]))],
  broadcastTo: (g, _node, x) => [unbroadcast(g, x.shape)],
  slice: (g, node, x) => {
    const begin = node.attributes.begin as readonly number[];
    return [
      pad(
        g,
        begin,
        x.shape.map((extent, axis) => extent - begin[axis] - g.shape[axis]),
      ),
    ];
  },
  pad: (g, node, x) => [slice(g, node.attributes.before as readonly number[], x.shape)],
  concat: (g, node, ...parts) => {
    const axis = node.attributes.axis as number;
    let start = 0;
    return parts.map((part) => {
      const begin = zeros(part.shape.length);
      begin[axis] = start;
      start += part.shape[axis];
      return slice(g, begin, part.shape);
    });
  },
  spaceToDepth: (g, node) => [depthToSpace(g, node.attributes.block as number)],
  depthToSpace: (g, node) => [spaceToDepth(g, node.attributes.block as number)],
  matMul: (g, node, a, b) => {
    const { transposeA, transposeB } = node.attributes;
    const da = matMul(g, b, { transposeB: !transposeB });
    const db = matMul(a, g, { transposeA: !transposeA });
    return [transposeA ? swapLast(da) : da, transposeB ? swapLast(db) : db];
  },
  pointwise: (g, _node, x, w) => [
    pointwise(g, transpose(w, [1, 0])),
    pointwiseWeightGradient(g, x),
    biasGradient(g),
  ],
  depthwise: (g, node, x, w) => {
    const flipped = node.attributes.flipped as boolean;
    if (flipped)
      throw new UsageError('depthwise: expected an unflipped kernel for a gradient, got a flipped one');
    return [
      depthwise(g, w, undefined, true),
      depthwiseFilterGradient(x, g, [w.shape[1], w.shape[2]]),
      biasGradient(g),
    ];
  },
  conv: (g, node, x, w) => [
    convInputGradient(g, w, x.shape, convOptions(node)),
    convFilterGradient(x, g, w.shape, convOptions(node)),
    biasGradient(g),
  ],
  convInputGradient: (g, node, dy, w) => [
    conv(g, w, undefined, convOptions(node)),
    convFilterGradient(g, dy, w.shape, convOptions(node)),
  ],
};

/** Operations through which no gradient flows. */
const opaque: ReadonlySet<Op> = new Set<Op>([
  'sign',
  'greaterEqual',
  'stopGradient',
  'input',
  'constant',
  'scalar',
]);

/**
 * Gradients of a scalar loss with respect to the given tensors, each with its tensor's shape.
 *
 * @throws UsageError when the loss is not a scalar, does not depend on a tensor, or passes an operation without rule.
 * @example
 * const [dw] = gradients(mean(square(pointwise(x, w))), [w]);
 */
export function gradients(loss: Tensor, wanted: readonly Tensor[]): Tensor[] {
  if (loss.shape.length !== 0)
    throw new UsageError(`gradients: expected a scalar loss, got ${describe(loss)}`);
  return vectorJacobian(loss, loss.graph.scalar(1), wanted);
}

/**
 * Gradients of `sum(output * cotangent)` with respect to the given tensors, where the cotangent is held fixed. Other than
 * those of a loss they need no sums over the picture, so graphs of open size can have them.
 *
 * @param cotangent of the output's shape
 * @throws UsageError for another shape, and as `gradients` does.
 * @example
 * const [dx] = vectorJacobian(pointwise(x, w), error, [x]); // w^T error
 */
export function vectorJacobian(output: Tensor, cotangent: Tensor, wanted: readonly Tensor[]): Tensor[] {
  if (!sameShape(output.shape, cotangent.shape)) {
    throw new UsageError(
      `vectorJacobian: expected a cotangent with the shape of ${describe(output)}, got ${describe(cotangent)}`,
    );
  }
  const nodes = ancestors([output]);
  const depends = new Set<Tensor>(wanted);
  for (const node of nodes) {
    if (!opaque.has(node.op) && node.inputs.some((input) => depends.has(input))) depends.add(node);
  }
  const gradientOf = new Map<Tensor, Tensor>([[output, cotangent]]);
  for (const node of nodes.reverse()) {
    const g = gradientOf.get(node);
    if (!g || node.inputs.length === 0 || opaque.has(node.op) || !depends.has(node)) continue;
    const rule = rules[node.op];
    if (!rule) throw new UsageError(`gradients: expected differentiable operations, got ${describe(node)}`);
    const shares = rule(broadcastTo(g, node.shape), node, ...node.inputs);
    node.inputs.forEach((input, position) => {
      const part = shares[position];
      if (!part || !depends.has(input)) return;
      const fitted = unbroadcast(part, input.shape);
      const known = gradientOf.get(input);
      gradientOf.set(input, known ? add(known, fitted) : fitted);
    });
  }
  return wanted.map((tensor) => {
    const g = gradientOf.get(tensor);
    if (!g)
      throw new UsageError(`gradients: expected a loss that depends on ${describe(tensor)}, it does not`);
    return broadcastTo(g, tensor.shape);
  });
}
