/**
 * The operations of the graph in terms of TensorFlow.js. tfjs wants NHWC, so convolutions transpose at their edges;
 * rounding, lower bounds and the normal tail carry gradients of their own. Nothing here imports tfjs or its types:
 * `Tfjs` lists the part of its interface that is used.
 * Test: test/src/engines/tfjs.test.ts.
 */
import type { LeafOp, Op, Tensor } from '../graph/graph.js';
import type { Shape } from '../graph/shape.js';

// ------------------------------------------------------------------------------------------- what tfjs offers

/** The part of a tfjs tensor that is used. */
export interface TfjsTensor {
  readonly shape: number[];
  data(): Promise<ArrayLike<number>>;
  dispose(): void;
}

type T = TfjsTensor;
type TorNumber = T | number;

/** The part of the tfjs namespace that is used, with the types with which it is used. */
export interface Tfjs {
  ready(): Promise<void>;
  tidy(f: () => void): unknown;
  keep(x: T): T;
  customGrad(
    f: (x: T, save: (tensors: T[]) => void) => { value: T; gradFunc: (dy: T, saved: T[]) => T },
  ): (x: T) => T;
  grad(f: (x: T) => T): (x: T, dy: T) => T;
  grads(f: (...inputs: T[]) => T): (inputs: T[]) => T[];

  tensor(values: Float32Array, shape: number[], dtype: 'float32'): T;
  scalar(value: number, dtype: 'float32'): T;
  zeros(shape: number[]): T;
  cast(x: T, dtype: 'float32'): T;
  where(condition: T, yes: T, no: T): T;

  neg(x: T): T;
  abs(x: T): T;
  exp(x: T): T;
  log(x: T): T;
  sqrt(x: T): T;
  square(x: T): T;
  reciprocal(x: T): T;
  sigmoid(x: T): T;
  tanh(x: T): T;
  softplus(x: T): T;
  sign(x: T): T;
  round(x: T): T;
  floor(x: T): T;
  leakyRelu(x: T, slope: number): T;

  add(a: TorNumber, b: TorNumber): T;
  sub(a: TorNumber, b: TorNumber): T;
  mul(a: TorNumber, b: TorNumber): T;
  div(a: TorNumber, b: TorNumber): T;
  maximum(a: TorNumber, b: TorNumber): T;
  minimum(a: TorNumber, b: TorNumber): T;
  greater(a: TorNumber, b: TorNumber): T;
  greaterEqual(a: TorNumber, b: TorNumber): T;
  less(a: TorNumber, b: TorNumber): T;

  sum(x: T, axes: number[], keepDims: boolean): T;
  reshape(x: T, shape: number[]): T;
  transpose(x: T, permutation: number[]): T;
  broadcastTo(x: T, shape: number[]): T;
  slice(x: T, begin: number[], size: number[]): T;
  pad(x: T, amounts: [number, number][]): T;
  concat(parts: T[], axis: number): T;
  reverse(x: T, axes: number[]): T;

  matMul(a: T, b: T, transposeA: boolean, transposeB: boolean): T;
  conv2d(x: T, filter: T, stride: number, pad: 'valid'): T;
  conv2dTranspose(dy: T, filter: T, shape: [number, number, number, number], stride: number, pad: 'valid'): T;
  depthwiseConv2d(x: T, filter: T, stride: number, pad: 'valid'): T;
}

/** Any namespace with these functions; tfjs declares them over its own classes, which are not imported here. */
export type TfjsNamespace = Readonly<Record<keyof Tfjs, (...operands: never[]) => unknown>>;

// ------------------------------------------------------------------------------------------- functions of tfjs

/** exp(-x^2/2), from a coarse part whose square is exact and the small rest, so that far tails stay accurate. */
function bell(tf: Tfjs, x: T, exponent?: T): T {
  const distance = tf.abs(x);
  const coarse = tf.div(tf.floor(tf.mul(distance, 16)), 16);
  const rest = tf.mul(tf.mul(tf.sub(distance, coarse), tf.add(distance, coarse)), -0.5);
  const small = exponent ? tf.add(rest, exponent) : rest;
  return tf.mul(tf.exp(tf.mul(tf.square(coarse), -0.5)), tf.exp(small));
}

/** erfc(z) = t exp(p(t) - z^2) with t = 1/(1 + z/2): Numerical Recipes, erfcc; highest power first. */
const erfcPolynomial = [
  0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196,
  1.00002368, -1.26551223,
];

function upperNormalTail(tf: Tfjs, x: T): T {
  const t = tf.reciprocal(tf.add(tf.mul(tf.abs(x), Math.SQRT1_2 / 2), 1));
  const [highest, second, ...others] = erfcPolynomial;
  const exponent = others.reduce(
    (value, c) => tf.add(tf.mul(value, t), c),
    tf.add(tf.mul(t, highest), second),
  );
  const tail = tf.mul(tf.mul(t, 0.5), bell(tf, x, exponent));
  return tf.where(tf.less(x, 0), tf.sub(1, tail), tail);
}

/** value(x), whose gradient is gradient(dy, x). */
function withGradient(tf: Tfjs, x: T, value: (x: T) => T, gradient: (dy: T, x: T) => T): T {
  const f = tf.customGrad((input, save) => {
    save([input]);
    return { value: value(input), gradFunc: (dy, [saved]) => gradient(dy, saved) };
  });
  return f(x);
}

const number = (tf: Tfjs, condition: T): T => tf.cast(condition, 'float32');
const toChannelsLast = (tf: Tfjs, x: T): T => tf.transpose(x, [0, 2, 3, 1]);
const toChannelsFirst = (tf: Tfjs, x: T): T => tf.transpose(x, [0, 3, 1, 2]);

/** Zeros around an NHWC image; padding [top, left, bottom, right]. */
const padImage = (tf: Tfjs, x: T, [top, left, bottom, right]: readonly number[]): T =>
  tf.pad(x, [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ]);

const addBias = (tf: Tfjs, x: T, bias: T | undefined): T =>
  bias ? tf.add(x, tf.reshape(bias, [bias.shape[0], 1, 1])) : x;

interface ConvAttributes {
  readonly stride: number;
  readonly padding: readonly number[];
}

/** Weights [O,I,kh,kw] in the order of tfjs. */
const denseFilter = (tf: Tfjs, weights: T): T => tf.transpose(weights, [2, 3, 1, 0]);

function conv(tf: Tfjs, x: T, weights: T, { stride, padding }: ConvAttributes): T {
  const padded = padImage(tf, toChannelsLast(tf, x), padding);
  return toChannelsFirst(tf, tf.conv2d(padded, denseFilter(tf, weights), stride, 'valid'));
}

/** Weights [C,kh,kw]. */
function depthwise(tf: Tfjs, x: T, weights: T): T {
  const [channels, kh, kw] = weights.shape;
  const padded = padImage(tf, toChannelsLast(tf, x), [kh >> 1, kw >> 1, kh >> 1, kw >> 1]);
  const filter = tf.reshape(tf.transpose(weights, [1, 2, 0]), [kh, kw, channels, 1]);
  return toChannelsFirst(tf, tf.depthwiseConv2d(padded, filter, 1, 'valid'));
}

// ------------------------------------------------------------------------------------------- the operations

export type TfjsKernel = (tf: Tfjs, node: Tensor, ...inputs: T[]) => T;

type SameName =
  | (
      | 'neg'
      | 'abs'
      | 'exp'
      | 'log'
      | 'sqrt'
      | 'square'
      | 'reciprocal'
      | 'sigmoid'
      | 'tanh'
      | 'softplus'
      | 'sign'
    )
  | ('add' | 'sub' | 'mul' | 'div');

/** Operations that tfjs has under the same name, of one or two tensors and without attributes. */
const sameName =
  (name: SameName): TfjsKernel =>
  (tf, _node, a, b) =>
    (tf[name] as (a: T, b: T) => T)(a, b);

const broadcast = (tf: Tfjs, x: T, shape: Shape): T => tf.broadcastTo(x, [...shape]);
const attribute = <V>(node: Tensor, name: string): V => node.attributes[name] as V;

/** How tfjs computes every operation, from the node and the tfjs tensors of its inputs. */
export const tfjsKernels: Record<Exclude<Op, LeafOp>, TfjsKernel> = {
  neg: sameName('neg'),
  abs: sameName('abs'),
  exp: sameName('exp'),
  log: sameName('log'),
  sqrt: sameName('sqrt'),
  square: sameName('square'),
  reciprocal: sameName('reciprocal'),
  sigmoid: sameName('sigmoid'),
  tanh: sameName('tanh'),
  softplus: sameName('softplus'),
  sign: sameName('sign'),
  leakyRelu: (tf, node, x) => tf.leakyRelu(x, attribute(node, 'slope')),
  straightThroughRound: (tf, _node, x) => withGradient(tf, x, tf.round, (dy) => tf.mul(dy, 1)),
  stopGradient: (tf, _node, x) =>
    withGradient(
      tf,
      x,
      (input) => tf.mul(input, 1),
      (dy) => tf.mul(dy, 0),
    ),
  clipGradient: (tf, node, x) => {
    const bound = attribute<number>(node, 'bound');
    return withGradient(
      tf,
      x,
      (input) => tf.mul(input, 1),
      (dy) => tf.minimum(tf.maximum(dy, -bound), bound),
    );
  },
  normalTail: (tf, _node, x) =>
    withGradient(
      tf,
      x,
      (input) => upperNormalTail(tf, input),
      (dy, input) => tf.mul(dy, tf.mul(bell(tf, input), -1 / Math.sqrt(2 * Math.PI))),
    ),
  lowerBound: (tf, node, x) => {
    const bound = attribute<number>(node, 'bound');
    const passes = (dy: T, input: T): T =>
      tf.maximum(number(tf, tf.greaterEqual(input, bound)), number(tf, tf.less(dy, 0)));
    return withGradient(
      tf,
      x,
      (input) => tf.maximum(input, bound),
      (dy, input) => tf.mul(dy, passes(dy, input)),
    );
  },

  add: sameName('add'),
  sub: sameName('sub'),
  mul: sameName('mul'),
  div: sameName('div'),
  // The gradients of tfjs for these two know no broadcasting.
  max: (tf, { shape }, a, b) => tf.maximum(broadcast(tf, a, shape), broadcast(tf, b, shape)),
  min: (tf, { shape }, a, b) => tf.minimum(broadcast(tf, a, shape), broadcast(tf, b, shape)),
  greaterEqual: (tf, _node, a, b) => number(tf, tf.greaterEqual(a, b)),
  leakyReluGradient: (tf, node, dy, y) =>
    tf.where(tf.greater(y, 0), dy, tf.mul(dy, attribute<number>(node, 'slope'))),

  sum: (tf, node, x) => tf.sum(x, [...attribute<number[]>(node, 'axes')], attribute(node, 'keepDims')),
  reshape: (tf, node, x) => tf.reshape(x, [...node.shape]),
  transpose: (tf, node, x) => tf.transpose(x, [...attribute<number[]>(node, 'permutation')]),
  broadcastTo: (tf, node, x) => broadcast(tf, x, node.shape),
  slice: (tf, node, x) => tf.slice(x, [...attribute<number[]>(node, 'begin')], [...node.shape]),
  pad: (tf, node, x) => {
    const after = attribute<number[]>(node, 'after');
    return tf.pad(
      x,
      attribute<number[]>(node, 'before').map((before, axis) => [before, after[axis]]),
    );
  },
  concat: (tf, node, ...parts) => tf.concat(parts, attribute(node, 'axis')),
  spaceToDepth: (tf, node, x) => {
    const block = attribute<number>(node, 'block');
    const [n, c, h, w] = x.shape;
    const split = tf.reshape(x, [n, c, h / block, block, w / block, block]);
    return tf.reshape(tf.transpose(split, [0, 3, 5, 1, 2, 4]), [...node.shape]);
  },
  depthToSpace: (tf, node, x) => {
    const block = attribute<number>(node, 'block');
    const [n, c, h, w] = x.shape;
    const split = tf.reshape(x, [n, block, block, c / (block * block), h, w]);
    return tf.reshape(tf.transpose(split, [0, 3, 4, 1, 5, 2]), [...node.shape]);
  },

  matMul: (tf, node, a, b) => tf.matMul(a, b, attribute(node, 'transposeA'), attribute(node, 'transposeB')),
  pointwise: (tf, node, x, w, bias) => {
    const [n, i, height, width] = x.shape;
    const rows = tf.reshape(toChannelsLast(tf, x), [n * height * width, i]);
    const image = tf.reshape(tf.matMul(rows, w, false, true), [n, height, width, node.shape[1]]);
    return addBias(tf, toChannelsFirst(tf, image), bias);
  },
  depthwise: (tf, node, x, w, bias) =>
    addBias(tf, depthwise(tf, x, attribute(node, 'flipped') ? tf.reverse(w, [1, 2]) : w), bias),
  depthwiseFilterGradient: (tf, node, x, dy) =>
    tf.grad((w) => depthwise(tf, x, w))(tf.zeros([...node.shape]), dy),
  conv: (tf, node, x, w, bias) =>
    addBias(tf, conv(tf, x, w, node.attributes as unknown as ConvAttributes), bias),
  convInputGradient: (tf, node, dy, w) => {
    const { stride, padding } = node.attributes as unknown as ConvAttributes;
    const [n, c, height, width] = node.shape;
    const [top, left, bottom, right] = padding;
    const padded = tf.conv2dTranspose(
      toChannelsLast(tf, dy),
      denseFilter(tf, w),
      [n, height + top + bottom, width + left + right, c],
      stride,
      'valid',
    );
    return toChannelsFirst(tf, tf.slice(padded, [0, top, left, 0], [n, height, width, c]));
  },
  convFilterGradient: (tf, node, x, dy) =>
    tf.grad((w) => conv(tf, x, w, node.attributes as unknown as ConvAttributes))(
      tf.zeros([...node.shape]),
      dy,
    ),
};
