/**
 * The meaning of every operation of the graph, in float64 and plain loops: the oracle that engines and gradients are
 * tested against, and good enough to run a tiny model. Readable before fast: moving data is done by lists of offsets
 * (broadcasting, transposing, slicing and padding differ only in strides), convolutions by one walk over their taps.
 * Test: test/src/graph/gradients.test.ts, test/src/engines/tfjs.test.ts.
 */
import { UsageError } from '../errors.js';
import { ancestors, describe, type LeafOp, type Op, type Tensor } from './graph.js';
import { type Shape, sizeOf, stridesOf } from './shape.js';

type Kernel = (node: Tensor, ...values: Float64Array[]) => Float64Array;

// ------------------------------------------------------------------------------------------- scalar functions

/**
 * Upper tail of the standard normal distribution, Q(x) = erfc(x / sqrt 2) / 2, to a relative error of about 1e-14
 * wherever the result is a normal float64 (x < 37.5): the power series of 1/2 - Q(x) near zero, Laplace's continued
 * fraction beyond.
 *
 * @example
 * upperNormalTail(1.96); // 0.02499789514822...
 */
export function upperNormalTail(x: number): number {
  if (Number.isNaN(x)) return x;
  const distance = Math.abs(x);
  const upper = distance < 2 ? 0.5 - normalDensity(distance) * oddSeries(distance) : fraction(distance);
  return x < 0 ? 1 - upper : upper;
}

/** exp(-x^2/2) / sqrt(2 pi); x^2 is split so that its rounding is not multiplied by the exponential. */
function normalDensity(x: number): number {
  const coarse = Math.trunc(x * 16) / 16;
  return (
    (Math.exp(-0.5 * coarse * coarse) * Math.exp(-0.5 * (x - coarse) * (x + coarse))) / Math.sqrt(2 * Math.PI)
  );
}

/** x + x^3/3 + x^5/(3*5) + x^7/(3*5*7) + ... */
function oddSeries(x: number): number {
  let total = 0;
  for (let term = x, k = 1; term > total * 1e-17; k += 2, term *= (x * x) / k) total += term;
  return total;
}

/** density(x) / (x + 1/(x + 2/(x + 3/(x + ...)))), from a depth that suffices for x >= 2. */
function fraction(x: number): number {
  if (x > 40) return 0;
  let denominator = x;
  for (let k = 160; k >= 1; k--) denominator = x + k / denominator;
  return normalDensity(x) / denominator;
}

/** Nearest whole number, half to even. */
function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

// ------------------------------------------------------------------------------------------- moving data

/** For every position of `shape` in row-major order: start + the inner product of position and strides. */
function offsets(shape: Shape, strides: readonly number[], start = 0): Int32Array {
  const result = new Int32Array(sizeOf(shape)).fill(start);
  for (let axis = 0, repeat = result.length; axis < shape.length; axis++) {
    repeat /= shape[axis];
    for (let i = 0; i < result.length; i++) {
      result[i] += (Math.floor(i / repeat) % shape[axis]) * strides[axis];
    }
  }
  return result;
}

const read = (values: Float64Array, from: Int32Array): Float64Array =>
  Float64Array.from(from, (k) => values[k]);

/** Adds values[i] to target[to[i]]. */
function accumulate(target: Float64Array, values: Float64Array, to: Int32Array): void {
  for (let i = 0; i < values.length; i++) target[to[i]] += values[i];
}

/** Strides that read a tensor of shape `from` as if it were broadcast to shape `to`. */
function broadcastStrides(from: Shape, to: Shape): number[] {
  const strides = stridesOf(from);
  const missing = to.length - from.length;
  return to.map((_, axis) => (axis < missing || from[axis - missing] === 1 ? 0 : strides[axis - missing]));
}

const innerProduct = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((total, value, k) => total + value * b[k], 0);

/** Offsets in the image [N,C,H,W] of the elements of its spaceToDepth, in that one's order. */
function blockOffsets([n, c, h, w]: Shape, b: number): Int32Array {
  const split = [n, c, h / b, b, w / b, b];
  const order = [0, 3, 5, 1, 2, 4];
  const strides = stridesOf(split);
  return offsets(
    order.map((axis) => split[axis]),
    order.map((axis) => strides[axis]),
  );
}

// ------------------------------------------------------------------------------------------- kernels by kind

const unary =
  (f: (x: number, attributes: Record<string, number>) => number): Kernel =>
  (node, x) =>
    x.map((value) => f(value, node.attributes as Record<string, number>));

const binary =
  (f: (a: number, b: number, attributes: Record<string, number>) => number): Kernel =>
  (node, a, b) => {
    const [fromA, fromB] = node.inputs.map((x) => offsets(node.shape, broadcastStrides(x.shape, node.shape)));
    const attributes = node.attributes as Record<string, number>;
    return Float64Array.from(fromA, (k, i) => f(a[k], b[fromB[i]], attributes));
  };

/** Calls visit(index in x, index in weights, index in y) for every multiplication of a dense convolution. */
function forEachTap(
  xShape: Shape,
  weightShape: Shape,
  yShape: Shape,
  { stride, padding }: { stride: number; padding: readonly number[] },
  visit: (x: number, weight: number, y: number) => void,
): void {
  const [n, channels, h, w] = xShape;
  const [, , kh, kw] = weightShape;
  const [, filters, yh, yw] = yShape;
  for (let image = 0; image < n; image++)
    for (let o = 0; o < filters; o++)
      for (let c = 0; c < channels; c++)
        for (let row = 0; row < yh; row++)
          for (let column = 0; column < yw; column++)
            for (let i = 0; i < kh; i++)
              for (let j = 0; j < kw; j++) {
                const r = row * stride + i - padding[0];
                const s = column * stride + j - padding[1];
                if (r < 0 || r >= h || s < 0 || s >= w) continue;
                visit(
                  ((image * channels + c) * h + r) * w + s,
                  ((o * channels + c) * kh + i) * kw + j,
                  ((image * filters + o) * yh + row) * yw + column,
                );
              }
}

/** The same for a depthwise convolution of stride 1 that keeps the size; kernel [kh,kw]. */
function forEachDepthwiseTap(
  [n, channels, h, w]: Shape,
  [kh, kw]: readonly number[],
  visit: (x: number, weight: number, y: number) => void,
): void {
  for (let plane = 0; plane < n * channels; plane++)
    for (let row = 0; row < h; row++)
      for (let column = 0; column < w; column++)
        for (let i = 0; i < kh; i++)
          for (let j = 0; j < kw; j++) {
            const r = row + i - (kh >> 1);
            const s = column + j - (kw >> 1);
            if (r < 0 || r >= h || s < 0 || s >= w) continue;
            visit(
              (plane * h + r) * w + s,
              ((plane % channels) * kh + i) * kw + j,
              (plane * h + row) * w + column,
            );
          }
}

/** Zeros of the node's shape, or its bias [C] repeated over an [N,C,H,W] result. */
function startFromBias(node: Tensor, bias: Float64Array | undefined): Float64Array {
  if (!bias) return new Float64Array(sizeOf(node.shape));
  return read(bias, offsets(node.shape, [0, 1, 0, 0]));
}

const convAttributes = (node: Tensor) => node.attributes as { stride: number; padding: readonly number[] };

// ------------------------------------------------------------------------------------------- the operations

const kernels: Record<Exclude<Op, LeafOp>, Kernel> = {
  neg: unary((x) => -x),
  abs: unary(Math.abs),
  exp: unary(Math.exp),
  log: unary(Math.log),
  sqrt: unary(Math.sqrt),
  square: unary((x) => x * x),
  reciprocal: unary((x) => 1 / x),
  sigmoid: unary((x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)))),
  tanh: unary(Math.tanh),
  softplus: unary((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  sign: unary(Math.sign),
  leakyRelu: unary((x, { slope }) => (x > 0 ? x : slope * x)),
  straightThroughRound: unary(roundHalfToEven),
  stopGradient: (_node, x) => x,
  clipGradient: (_node, x) => x,
  normalTail: unary(upperNormalTail),
  lowerBound: unary((x, { bound }) => Math.max(x, bound)),

  add: binary((a, b) => a + b),
  sub: binary((a, b) => a - b),
  mul: binary((a, b) => a * b),
  div: binary((a, b) => a / b),
  max: binary((a, b) => Math.max(a, b)),
  min: binary((a, b) => Math.min(a, b)),
  greaterEqual: binary((a, b) => (a >= b ? 1 : 0)),
  leakyReluGradient: binary((dy, y, { slope }) => (y > 0 ? dy : slope * dy)),

  sum(node, x) {
    const [input] = node.inputs;
    const axes = node.attributes.axes as readonly number[];
    const kept = stridesOf(input.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent)));
    const result = new Float64Array(sizeOf(node.shape));
    accumulate(
      result,
      x,
      offsets(
        input.shape,
        kept.map((stride, axis) => (axes.includes(axis) ? 0 : stride)),
      ),
    );
    return result;
  },

  reshape: (_node, x) => x,
  transpose(node, x) {
    const strides = stridesOf(node.inputs[0].shape);
    const permutation = node.attributes.permutation as readonly number[];
    return read(
      x,
      offsets(
        node.shape,
        permutation.map((axis) => strides[axis]),
      ),
    );
  },
  broadcastTo: (node, x) => read(x, offsets(node.shape, broadcastStrides(node.inputs[0].shape, node.shape))),
  slice(node, x) {
    const strides = stridesOf(node.inputs[0].shape);
    const start = innerProduct(node.attributes.begin as readonly number[], strides);
    return read(x, offsets(node.shape, strides, start));
  },
  pad(node, x) {
    const strides = stridesOf(node.shape);
    const start = innerProduct(node.attributes.before as readonly number[], strides);
    const result = new Float64Array(sizeOf(node.shape));
    accumulate(result, x, offsets(node.inputs[0].shape, strides, start));
    return result;
  },
  concat(node, ...parts) {
    const axis = node.attributes.axis as number;
    const strides = stridesOf(node.shape);
    const result = new Float64Array(sizeOf(node.shape));
    let start = 0;
    node.inputs.forEach((input, k) => {
      accumulate(result, parts[k], offsets(input.shape, strides, start));
      start += input.shape[axis] * strides[axis];
    });
    return result;
  },
  spaceToDepth: (node, x) => read(x, blockOffsets(node.inputs[0].shape, node.attributes.block as number)),
  depthToSpace(node, x) {
    const result = new Float64Array(x.length);
    accumulate(result, x, blockOffsets(node.shape, node.attributes.block as number));
    return result;
  },

  matMul(node, a, b) {
    const { transposeA, transposeB } = node.attributes;
    const [rows, columns] = node.shape.slice(-2);
    const inner = node.inputs[0].shape.at(transposeA ? -2 : -1) as number;
    const result = new Float64Array(sizeOf(node.shape));
    for (let i = 0; i < result.length; i++) {
      const column = i % columns;
      const row = Math.floor(i / columns) % rows;
      const matrix = Math.floor(i / (rows * columns));
      for (let k = 0; k < inner; k++) {
        const left = transposeA ? k * rows + row : row * inner + k;
        const right = transposeB ? column * inner + k : k * columns + column;
        result[i] += a[matrix * rows * inner + left] * b[matrix * inner * columns + right];
      }
    }
    return result;
  },
  pointwise(node, x, w, bias) {
    const y = startFromBias(node, bias);
    const [o, i] = node.inputs[1].shape;
    const options = { stride: 1, padding: [0, 0, 0, 0] };
    forEachTap(node.inputs[0].shape, [o, i, 1, 1], node.shape, options, (xAt, wAt, yAt) => {
      y[yAt] += x[xAt] * w[wAt];
    });
    return y;
  },
  depthwise(node, x, w, bias) {
    const y = startFromBias(node, bias);
    const [, kh, kw] = node.inputs[1].shape;
    const mirror = (at: number): number => at + kh * kw - 1 - 2 * (at % (kh * kw));
    forEachDepthwiseTap(node.shape, [kh, kw], (xAt, wAt, yAt) => {
      y[yAt] += x[xAt] * w[node.attributes.flipped ? mirror(wAt) : wAt];
    });
    return y;
  },
  depthwiseFilterGradient(node, x, dy) {
    const dw = new Float64Array(sizeOf(node.shape));
    forEachDepthwiseTap(
      node.inputs[0].shape,
      node.attributes.kernel as readonly number[],
      (xAt, wAt, yAt) => {
        dw[wAt] += x[xAt] * dy[yAt];
      },
    );
    return dw;
  },
  conv(node, x, w, bias) {
    const y = startFromBias(node, bias);
    const [input, weights] = node.inputs;
    forEachTap(input.shape, weights.shape, node.shape, convAttributes(node), (xAt, wAt, yAt) => {
      y[yAt] += x[xAt] * w[wAt];
    });
    return y;
  },
  convInputGradient(node, dy, w) {
    const dx = new Float64Array(sizeOf(node.shape));
    const [output, weights] = node.inputs;
    forEachTap(node.shape, weights.shape, output.shape, convAttributes(node), (xAt, wAt, yAt) => {
      dx[xAt] += dy[yAt] * w[wAt];
    });
    return dx;
  },
  convFilterGradient(node, x, dy) {
    const dw = new Float64Array(sizeOf(node.shape));
    const [input, output] = node.inputs;
    forEachTap(input.shape, node.shape, output.shape, convAttributes(node), (xAt, wAt, yAt) => {
      dw[wAt] += x[xAt] * dy[yAt];
    });
    return dw;
  },
};

// ------------------------------------------------------------------------------------------- evaluation

/**
 * The values to feed for a graph input, checked; for engines that take feeds by name.
 *
 * @throws UsageError that names an input without feed or with a feed of the wrong length.
 */
export function feedOf(input: Tensor, feeds: Readonly<Record<string, ArrayLike<number>>>): ArrayLike<number> {
  const values = Object.hasOwn(feeds, input.name as string) ? feeds[input.name as string] : undefined;
  if (!values) throw new UsageError(`feeds: expected values for input ${describe(input)}, got none`);
  if (values.length !== sizeOf(input.shape)) {
    throw new UsageError(
      `feeds: expected ${sizeOf(input.shape)} values for input ${describe(input)}, got ${values.length}`,
    );
  }
  return values;
}

/**
 * Values of the given tensors in float64, row-major, under the given names. `feeds` holds row-major values for every
 * input that they depend on, by the input's name; other feeds are ignored.
 *
 * @throws UsageError that names an input without feed or with a feed of the wrong length.
 * @example
 * const graph = new Graph();
 * const x = graph.input('x', [2, 2]);
 * evaluate({ y: mul(x, 2) }, { x: [1, 2, 3, 4] }).y; // Float64Array [2, 4, 6, 8]
 */
export function evaluate(
  outputs: Readonly<Record<string, Tensor>>,
  feeds: Readonly<Record<string, ArrayLike<number>>> = {},
): Record<string, Float64Array> {
  const valuesOf = new Map<Tensor, Float64Array>();
  for (const node of ancestors(Object.values(outputs))) {
    valuesOf.set(node, compute(node, feeds, valuesOf));
  }
  return Object.fromEntries(
    Object.entries(outputs).map(([name, tensor]) => [name, (valuesOf.get(tensor) as Float64Array).slice()]),
  );
}

function compute(
  node: Tensor,
  feeds: Readonly<Record<string, ArrayLike<number>>>,
  valuesOf: ReadonlyMap<Tensor, Float64Array>,
): Float64Array {
  switch (node.op) {
    case 'input':
      return Float64Array.from(feedOf(node, feeds));
    case 'constant':
      return Float64Array.from(node.values as Float32Array);
    case 'scalar':
      return Float64Array.of(node.attributes.value as number);
    default:
      return kernels[node.op](node, ...node.inputs.map((input) => valuesOf.get(input) as Float64Array));
  }
}
