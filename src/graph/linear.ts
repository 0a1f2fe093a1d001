/**
 * Matrix products and convolutions, and the operations that are gradients of convolutions. Layout NCHW; 1x1 weights
 * [O,I], depthwise weights [C,kh,kw], dense weights [O,I,kh,kw], biases one per output channel. Convolutions are
 * correlations: the kernel is not turned over. Every function throws UsageError, with the tensors and their shapes,
 * where those do not fit.
 */
import { shapeError, type Tensor } from './graph.js';
import { formatShape, type Shape, sameShape } from './shape.js';

/** The four extents of an [N,C,H,W] tensor; UsageError for any other rank. */
export function requireImage(op: string, x: Tensor): readonly [number, number, number, number] {
  if (x.shape.length !== 4) throw shapeError(op, 'a tensor [N,C,H,W]', [x]);
  return x.shape as unknown as readonly [number, number, number, number];
}

/** a [..,M,K] times b [..,K,N] -> [..,M,N]; leading axes equal. `transposeA/B` read the last two axes swapped. */
export function matMul(a: Tensor, b: Tensor, { transposeA = false, transposeB = false } = {}): Tensor {
  const rank = a.shape.length;
  const [m, inner] = transposeA
    ? [a.shape[rank - 1], a.shape[rank - 2]]
    : [a.shape[rank - 2], a.shape[rank - 1]];
  const [inner2, n] = transposeB
    ? [b.shape[rank - 1], b.shape[rank - 2]]
    : [b.shape[rank - 2], b.shape[rank - 1]];
  const batch = a.shape.slice(0, -2);
  if (rank < 2 || b.shape.length !== rank || inner !== inner2 || !sameShape(batch, b.shape.slice(0, -2))) {
    throw shapeError(
      'matMul',
      `matrices that fit${transposeA ? ', a transposed' : ''}${transposeB ? ', b transposed' : ''}`,
      [a, b],
    );
  }
  return a.graph.node('matMul', [a, b], { transposeA, transposeB }, [...batch, m, n]);
}

function withBias(op: string, operands: Tensor[], bias: Tensor | undefined, channels: number): Tensor[] {
  if (!bias) return operands;
  if (!sameShape(bias.shape, [channels])) throw shapeError(op, `a bias [${channels}]`, [...operands, bias]);
  return [...operands, bias];
}

/** 1x1 convolution: x [N,I,H,W], weights [O,I], bias [O] -> [N,O,H,W]. */
export function pointwise(x: Tensor, weights: Tensor, bias?: Tensor): Tensor {
  const [n, i, h, w] = requireImage('pointwise', x);
  if (weights.shape.length !== 2 || weights.shape[1] !== i)
    throw shapeError('pointwise', `weights [O,${i}]`, [x, weights]);
  const o = weights.shape[0];
  return x.graph.node('pointwise', withBias('pointwise', [x, weights], bias, o), {}, [n, o, h, w]);
}

/**
 * Depthwise convolution, stride 1, zero padding that keeps the size (odd kernels): x [N,C,H,W], weights [C,kh,kw],
 * bias [C]. `flipped` turns the kernel by 180 degrees, which is what the input gradient needs.
 */
export function depthwise(x: Tensor, weights: Tensor, bias?: Tensor, flipped = false): Tensor {
  const [, c] = requireImage('depthwise', x);
  const [channels, kh, kw] = weights.shape;
  if (weights.shape.length !== 3 || channels !== c || kh % 2 === 0 || kw % 2 === 0) {
    throw shapeError('depthwise', `weights [${c},kh,kw] with odd kh, kw`, [x, weights]);
  }
  return x.graph.node('depthwise', withBias('depthwise', [x, weights], bias, c), { flipped }, x.shape);
}

/** Gradient of depthwise with respect to its weights: sums over batch and positions, [C,kh,kw]. */
export function depthwiseFilterGradient(x: Tensor, dy: Tensor, kernel: readonly [number, number]): Tensor {
  const [, c] = requireImage('depthwiseFilterGradient', x);
  if (!sameShape(x.shape, dy.shape)) throw shapeError('depthwiseFilterGradient', 'equal shapes', [x, dy]);
  if (kernel.some((extent) => extent % 2 !== 1))
    throw shapeError('depthwiseFilterGradient', `an odd kernel, not ${kernel}`, [x, dy]);
  return x.graph.node('depthwiseFilterGradient', [x, dy], { kernel }, [c, ...kernel]);
}

/** Padding of a convolution: [top, left, bottom, right], as ONNX orders it. */
export interface ConvOptions {
  readonly stride?: number;
  readonly padding?: readonly [number, number, number, number];
}

/** Convolution: x [N,I,H,W], weights [O,I,kh,kw], bias [O]. Default padding keeps the size at stride 1. */
export function conv(x: Tensor, weights: Tensor, bias?: Tensor, options: ConvOptions = {}): Tensor {
  const [, i] = requireImage('conv', x);
  const [o, inner, kh, kw] = weights.shape;
  if (weights.shape.length !== 4 || inner !== i)
    throw shapeError('conv', `weights [O,${i},kh,kw]`, [x, weights]);
  const stride = options.stride ?? 1;
  const padding = options.padding ?? [(kh - 1) >> 1, (kw - 1) >> 1, kh >> 1, kw >> 1];
  const shape = convShape(x.shape, weights.shape, { stride, padding });
  if (!(stride >= 1) || shape[2] < 1 || shape[3] < 1)
    throw shapeError('conv', `stride >= 1, not ${stride}, an input as large as the kernel`, [x, weights]);
  return x.graph.node('conv', withBias('conv', [x, weights], bias, o), { stride, padding }, shape);
}

/** Shape of conv's result. */
function convShape([n, , h, w]: Shape, weights: Shape, { stride, padding }: Required<ConvOptions>): Shape {
  const steps = (room: number): number => Math.floor(room / stride) + 1;
  const height = steps(h + padding[0] + padding[2] - weights[2]);
  return [n, weights[0], height, steps(w + padding[1] + padding[3] - weights[3])];
}

/** Whether conv of `input` with `weights` yields `output`, all ranks and channels included. */
const convFits = (input: Shape, weights: Shape, output: Shape, options: Required<ConvOptions>): boolean =>
  input.length === 4 &&
  weights.length === 4 &&
  weights[1] === input[1] &&
  sameShape(convShape(input, weights, options), output);

/** Gradient of conv with respect to its input (also: transposed convolution). */
export function convInputGradient(
  dy: Tensor,
  weights: Tensor,
  shape: Shape,
  options: Required<ConvOptions>,
): Tensor {
  if (!convFits(shape, weights.shape, dy.shape, options)) {
    throw shapeError('convInputGradient', `the output of an input ${formatShape(shape)}`, [dy, weights]);
  }
  return dy.graph.node('convInputGradient', [dy, weights], { ...options }, shape);
}

/** Gradient of conv with respect to its weights [O,I,kh,kw]. */
export function convFilterGradient(
  x: Tensor,
  dy: Tensor,
  shape: Shape,
  options: Required<ConvOptions>,
): Tensor {
  if (!convFits(x.shape, shape, dy.shape, options)) {
    throw shapeError('convFilterGradient', `input and output for weights ${formatShape(shape)}`, [x, dy]);
  }
  return x.graph.node('convFilterGradient', [x, dy], { ...options }, shape);
}
