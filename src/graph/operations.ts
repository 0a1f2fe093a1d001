/**
 * The operations of the graph as plain functions. A number may stand for any elementwise operand. Each function
 * checks shapes and simplifies the obvious (x*1, x+0, nested scalings), so that gradients.ts may write its rules
 * without care for such cases.
 *
 * Elementwise operations broadcast as in NumPy. Layout NCHW; see graph.ts for the layout of weights. Matrix products and
 * convolutions are in linear.ts and exported from here too.
 */
import { UsageError } from '../errors.js';
import { type BinaryOp, type Graph, shapeError, type Tensor, type UnaryOp } from './graph.js';
import { requireImage } from './linear.js';
import { broadcastShapes, formatShape, type Shape, sameShape, sizeOf } from './shape.js';

export {
  type ConvOptions,
  conv,
  convFilterGradient,
  convInputGradient,
  depthwise,
  depthwiseFilterGradient,
  matMul,
  pointwise,
} from './linear.js';

export type Operand = Tensor | number;

// ---------------------------------------------------------------------------------------------- elementwise

function graphOf(...operands: Operand[]): Graph {
  for (const operand of operands) if (typeof operand !== 'number') return operand.graph;
  throw new UsageError('expected at least one tensor among the operands, got numbers only');
}

/** The value of a scalar node or number, undefined for any other tensor. */
function scalarValue(operand: Operand): number | undefined {
  if (typeof operand === 'number') return operand;
  return operand.op === 'scalar' ? (operand.attributes.value as number) : undefined;
}

type FoldedOp = Exclude<BinaryOp, 'leakyReluGradient'>;
const foldBinary: Record<FoldedOp, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  max: Math.max,
  min: Math.min,
  greaterEqual: (a, b) => (a >= b ? 1 : 0),
};

function binary(op: FoldedOp, left: Operand, right: Operand): Tensor {
  const graph = graphOf(left, right);
  const a = typeof left === 'number' ? graph.scalar(left) : left;
  const b = typeof right === 'number' ? graph.scalar(right) : right;
  const valueA = scalarValue(a);
  const valueB = scalarValue(b);
  if (valueA !== undefined && valueB !== undefined) return graph.scalar(foldBinary[op](valueA, valueB));
  const shape = broadcastShapes(a.shape, b.shape);
  if (!shape) throw shapeError(op, 'shapes that broadcast', [a, b]);
  if (a.op !== 'broadcastTo' && b.op !== 'broadcastTo') return graph.node(op, [a, b], {}, shape);
  // Broadcasting commutes with elementwise operations: compute at the smaller shape, and simplify there.
  return broadcastTo(elementwise[op](withoutBroadcast(a), withoutBroadcast(b)), shape);
}

const withoutBroadcast = (x: Tensor): Tensor => (x.op === 'broadcastTo' ? x.inputs[0] : x);

/** `x * c` for a scalar c, as [x, c]; undefined for anything else. */
function asScaled(x: Tensor): readonly [Tensor, number] | undefined {
  if (x.op !== 'mul') return undefined;
  const factor = scalarValue(x.inputs[1]);
  return factor === undefined ? undefined : [x.inputs[0], factor];
}

export function add(a: Operand, b: Operand): Tensor {
  if (scalarValue(a) === 0 && typeof b !== 'number') return b;
  if (scalarValue(b) === 0 && typeof a !== 'number') return a;
  if (typeof b !== 'number' && b.op === 'neg') return sub(a, b.inputs[0]);
  if (typeof a !== 'number' && a.op === 'neg') return sub(b, a.inputs[0]);
  return scalarValue(a) !== undefined ? binary('add', b, a) : binary('add', a, b);
}

export function sub(a: Operand, b: Operand): Tensor {
  const value = scalarValue(b);
  if (value !== undefined) return add(a, graphOf(a, b).scalar(-value));
  if (scalarValue(a) === 0) return neg(b as Tensor);
  if ((b as Tensor).op === 'neg') return add(a, (b as Tensor).inputs[0]);
  return binary('sub', a, b);
}

export function mul(a: Operand, b: Operand): Tensor {
  if (scalarValue(a) !== undefined && scalarValue(b) === undefined) return mul(b, a);
  const factor = scalarValue(b);
  if (factor !== undefined && typeof a !== 'number' && a.op !== 'scalar') {
    if (factor === 1) return a;
    if (a.op === 'neg') return mul(a.inputs[0], -factor);
    const scaled = asScaled(a);
    if (scaled) return mul(scaled[0], scaled[1] * factor);
  }
  if (a === b && typeof a !== 'number') return square(a);
  return binary('mul', a, b);
}

export function div(a: Operand, b: Operand): Tensor {
  const divisor = scalarValue(b);
  return divisor === undefined ? binary('div', a, b) : mul(a, graphOf(a, b).scalar(1 / divisor));
}

export const maximum = (a: Operand, b: Operand): Tensor => binary('max', a, b);
export const minimum = (a: Operand, b: Operand): Tensor => binary('min', a, b);
/** 1 where a >= b, else 0; no gradient. */
export const greaterEqual = (a: Operand, b: Operand): Tensor => binary('greaterEqual', a, b);

const elementwise: Record<FoldedOp, (a: Operand, b: Operand) => Tensor> = {
  add,
  sub,
  mul,
  div,
  max: maximum,
  min: minimum,
  greaterEqual,
};

function unary(op: UnaryOp, x: Tensor, attributes: Record<string, number> = {}): Tensor {
  return x.graph.node(op, [x], attributes, x.shape);
}

export function neg(x: Tensor): Tensor {
  if (x.op === 'neg') return x.inputs[0];
  const scaled = asScaled(x);
  return scaled ? mul(scaled[0], -scaled[1]) : unary('neg', x);
}
export const abs = (x: Tensor): Tensor => unary('abs', x);
export const exp = (x: Tensor): Tensor => unary('exp', x);
/** Natural logarithm. */
export const log = (x: Tensor): Tensor => unary('log', x);
export const sqrt = (x: Tensor): Tensor => unary('sqrt', x);
export const square = (x: Tensor): Tensor => unary('square', x);
export const reciprocal = (x: Tensor): Tensor => unary('reciprocal', x);
export const sigmoid = (x: Tensor): Tensor => unary('sigmoid', x);
export const tanh = (x: Tensor): Tensor => unary('tanh', x);
/** log(1 + exp(x)), without overflow. */
export const softplus = (x: Tensor): Tensor => unary('softplus', x);
/** -1, 0 or 1; no gradient. */
export const sign = (x: Tensor): Tensor => unary('sign', x);

/** max(x, slope*x) for 0 < slope < 1. The slope is rounded to float32 so that all engines agree on it. */
export function leakyRelu(x: Tensor, slope: number): Tensor {
  if (!(slope > 0 && slope < 1)) throw new UsageError(`leakyRelu: expected 0 < slope < 1, got ${slope}`);
  return unary('leakyRelu', x, { slope: Math.fround(slope) });
}

/** dy where y > 0, slope*dy elsewhere: backward of leakyRelu from its *output* y, so that x need not be kept. */
export function leakyReluGradient(dy: Tensor, y: Tensor, slope: number): Tensor {
  if (!sameShape(dy.shape, y.shape)) throw shapeError('leakyReluGradient', 'equal shapes', [dy, y]);
  return dy.graph.node('leakyReluGradient', [dy, y], { slope: Math.fround(slope) }, dy.shape);
}

/** Rounds half to even; its gradient is the identity (straight-through estimator, Bengio et al. 2013). */
export const straightThroughRound = (x: Tensor): Tensor => unary('straightThroughRound', x);

/** x, through which no gradient flows. */
export const stopGradient = (x: Tensor): Tensor => (x.op === 'stopGradient' ? x : unary('stopGradient', x));

/** x, whose gradient is clipped to [-bound, bound], element by element. */
export function clipGradient(x: Tensor, bound: number): Tensor {
  if (!(bound > 0)) throw new UsageError(`clipGradient: expected a positive bound, got ${bound}`);
  return unary('clipGradient', x, { bound: Math.fround(bound) });
}

/**
 * Upper tail of the standard normal distribution, Q(x) = erfc(x / sqrt 2) / 2, with a relative (not only absolute)
 * error below 2e-7 so that likelihoods of far outliers and their gradients stay right in float32.
 */
export const normalTail = (x: Tensor): Tensor => unary('normalTail', x);

/**
 * max(x, bound) whose gradient also passes below the bound where it pushes x up (Balle et al. 2018), so that a
 * value can come back from under the bound.
 */
export const lowerBound = (x: Tensor, bound: number): Tensor =>
  unary('lowerBound', x, { bound: Math.fround(bound) });

// ----------------------------------------------------------------------------------------------- reductions

/** Sum over the given axes (all by default). */
export function sum(x: Tensor, axes?: readonly number[], keepDims = false): Tensor {
  const counted = [...(axes ?? x.shape.keys())].map((axis) => (axis < 0 ? axis + x.shape.length : axis));
  const chosen = [...new Set(counted)].sort();
  if (chosen.some((axis) => !(axis in x.shape))) {
    throw shapeError('sum', `axes within rank ${x.shape.length}, not ${axes}`, [x]);
  }
  const shape = keepDims
    ? x.shape.map((extent, axis) => (chosen.includes(axis) ? 1 : extent))
    : x.shape.filter((_, axis) => !chosen.includes(axis));
  if (chosen.every((axis) => x.shape[axis] === 1)) return reshape(x, shape);
  const scaled = asScaled(x);
  if (scaled && sameShape(scaled[0].shape, x.shape)) return mul(sum(scaled[0], chosen, keepDims), scaled[1]);
  return x.graph.node('sum', [x], { axes: chosen, keepDims }, shape);
}

/** Mean over the given axes (all by default). */
export function mean(x: Tensor, axes?: readonly number[], keepDims = false): Tensor {
  const total = sum(x, axes, keepDims);
  return mul(total, sizeOf(total.shape) / sizeOf(x.shape));
}

// ----------------------------------------------------------------------------------------------- shape

export function reshape(x: Tensor, shape: Shape): Tensor {
  if (sizeOf(shape) !== sizeOf(x.shape)) throw shapeError('reshape', `a size of ${formatShape(shape)}`, [x]);
  if (sameShape(shape, x.shape)) return x;
  if (x.op === 'reshape') return reshape(x.inputs[0], shape);
  return x.graph.node('reshape', [x], {}, shape);
}

/** Output axis k is input axis permutation[k]. */
export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  if ([...permutation].sort().join() !== [...x.shape.keys()].join()) {
    throw shapeError('transpose', `a permutation of its axes, not ${permutation}`, [x]);
  }
  if (permutation.every((axis, position) => axis === position)) return x;
  const shape = permutation.map((axis) => x.shape[axis]);
  return x.graph.node('transpose', [x], { permutation }, shape);
}

export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const fitted = broadcastShapes(x.shape, shape);
  if (!fitted || !sameShape(fitted, shape)) {
    throw shapeError('broadcastTo', `a shape that fits ${formatShape(shape)}`, [x]);
  }
  return x.graph.node('broadcastTo', [withoutBroadcast(x)], {}, shape);
}

/** The block that starts at `begin` and has the extents `size`. */
export function slice(x: Tensor, begin: readonly number[], size: readonly number[]): Tensor {
  const fits = x.shape.every(
    (extent, axis) => begin[axis] >= 0 && size[axis] > 0 && begin[axis] + size[axis] <= extent,
  );
  if (begin.length !== x.shape.length || size.length !== x.shape.length || !fits) {
    throw shapeError('slice', `a tensor that holds ${formatShape(size)} at ${formatShape(begin)}`, [x]);
  }
  if (sameShape(size, x.shape)) return x;
  return x.graph.node('slice', [x], { begin }, size);
}

/** Channels [first, first + count) of an [N,C,...] tensor. */
export function sliceChannels(x: Tensor, first: number, count: number): Tensor {
  const begin = x.shape.map((_, axis) => (axis === 1 ? first : 0));
  return slice(
    x,
    begin,
    x.shape.map((extent, axis) => (axis === 1 ? count : extent)),
  );
}

/** Zeros around x: `before[axis]` and `after[axis]` of them. */
export function pad(x: Tensor, before: readonly number[], after: readonly number[]): Tensor {
  if (
    before.length !== x.shape.length ||
    after.length !== x.shape.length ||
    [...before, ...after].some((n) => n < 0)
  ) {
    throw shapeError('pad', `one amount >= 0 per axis, not ${before} and ${after}`, [x]);
  }
  if ([...before, ...after].every((n) => n === 0)) return x;
  const shape = x.shape.map((extent, axis) => extent + before[axis] + after[axis]);
  return x.graph.node('pad', [x], { before, after }, shape);
}

export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const [first, ...others] = parts;
  if (!first) throw new UsageError('concat: expected at least one tensor, got none');
  const fits = others.every(
    (part) =>
      part.shape.length === first.shape.length &&
      part.shape.every((n, k) => k === axis || n === first.shape[k]),
  );
  if (!fits || !(axis in first.shape)) throw shapeError('concat', `equal shapes but for axis ${axis}`, parts);
  if (others.length === 0) return first;
  const total = parts.reduce((n, part) => n + part.shape[axis], 0);
  return first.graph.node(
    'concat',
    parts,
    { axis },
    first.shape.map((n, k) => (k === axis ? total : n)),
  );
}

/** [N,C,H,W] -> [N,C*b*b,H/b,W/b]; output channel (dy*b + dx)*C + c, as ONNX SpaceToDepth. */
export function spaceToDepth(x: Tensor, block: number): Tensor {
  const [n, c, h, w] = requireImage('spaceToDepth', x);
  if (!(block >= 1) || h % block || w % block)
    throw shapeError('spaceToDepth', `height and width in multiples of ${block}`, [x]);
  return x.graph.node('spaceToDepth', [x], { block }, [n, c * block * block, h / block, w / block]);
}

/** Inverse of spaceToDepth (ONNX DepthToSpace, mode DCR). */
export function depthToSpace(x: Tensor, block: number): Tensor {
  const [n, c, h, w] = requireImage('depthToSpace', x);
  if (!(block >= 1) || c % (block * block))
    throw shapeError('depthToSpace', `channels in multiples of ${block * block}`, [x]);
  return x.graph.node('depthToSpace', [x], { block }, [n, c / (block * block), h * block, w * block]);
}
