/**
 * Readable twin of the WebAssembly kernels: the same operations in plain TypeScript, every intermediate rounded to
 * float32 by Math.fround, in the same order. A product of two float32 numbers is exact in float64 and a sum of two is
 * rounded there innocuously (float64 has more than twice the digits), so one fround per operation gives the very
 * bits of a float32 machine; the same holds for quotients and square roots.
 *
 * Slow by design; the tests compare it with the engine in all bits.
 */
import { UnsupportedError, UsageError } from '../../src/errors.js';
import {
  ancestors,
  describe,
  type Op,
  type Shape,
  sizeOf,
  stridesOf,
  type Tensor,
} from '../../src/graph/index.js';

type Values = Float32Array;
type Rule = (node: Tensor, ...operands: Values[]) => Values;

const { fround } = Math;

/** Index of the element of an operand that broadcasting puts at each element of the result. */
function broadcastIndices(shape: Shape, result: Shape): number[] {
  const strides = stridesOf(shape);
  const missing = result.length - shape.length;
  return Array.from({ length: sizeOf(result) }, (_, position) => {
    let rest = position;
    let index = 0;
    for (let axis = result.length - 1; axis >= 0; axis--) {
      const coordinate = rest % result[axis];
      rest = (rest - coordinate) / result[axis];
      if (axis >= missing && shape[axis - missing] > 1) index += coordinate * strides[axis - missing];
    }
    return index;
  });
}

const binary =
  (operation: (a: number, b: number) => number): Rule =>
  (node, a, b) => {
    const indexA = broadcastIndices(node.inputs[0].shape, node.shape);
    const indexB = broadcastIndices(node.inputs[1].shape, node.shape);
    return Float32Array.from(indexA, (index, position) => operation(a[index], b[indexB[position]]));
  };

const unary =
  (operation: (value: number, node: Tensor) => number): Rule =>
  (node, x) =>
    x.map((value) => operation(value, node));

function roundHalfToEven(value: number): number {
  const below = Math.floor(value);
  const fraction = value - below;
  const up = fraction > 0.5 || (fraction === 0.5 && below % 2 !== 0);
  const rounded = up ? below + 1 : below;
  return rounded === 0 && (value < 0 || Object.is(value, -0)) ? -0 : rounded;
}

/** bias + sum of w*x in ascending (channel, kernel row, kernel column); outside of the picture lies +0. */
function convolve(
  node: Tensor,
  x: Values,
  w: Values,
  bias: Values | undefined,
  { kh, kw, stride, top, left }: { kh: number; kw: number; stride: number; top: number; left: number },
): Values {
  const [, inputs, height, width] = node.inputs[0].shape;
  const [, outputs, outHeight, outWidth] = node.shape;
  const y = new Float32Array(outputs * outHeight * outWidth);
  let position = 0;
  for (let o = 0; o < outputs; o++) {
    for (let oy = 0; oy < outHeight; oy++) {
      for (let ox = 0; ox < outWidth; ox++) {
        let sum = bias ? bias[o] : 0;
        let tap = o * inputs * kh * kw;
        for (let i = 0; i < inputs; i++) {
          for (let ky = 0; ky < kh; ky++) {
            for (let kx = 0; kx < kw; kx++) {
              const yy = oy * stride + ky - top;
              const xx = ox * stride + kx - left;
              const inside = yy >= 0 && yy < height && xx >= 0 && xx < width;
              const value = inside ? x[(i * height + yy) * width + xx] : 0;
              sum = fround(sum + fround(w[tap++] * value));
            }
          }
        }
        y[position++] = sum;
      }
    }
  }
  return y;
}

const conv: Rule = (node, x, w, bias) => {
  const [, , kh, kw] = node.inputs[1].shape;
  const [top, left] = node.attributes.padding as readonly number[];
  return convolve(node, x, w, bias, { kh, kw, stride: node.attributes.stride as number, top, left });
};

const pointwise: Rule = (node, x, w, bias) =>
  convolve(node, x, w, bias, { kh: 1, kw: 1, stride: 1, top: 0, left: 0 });

const depthwise: Rule = (node, x, w, bias) => {
  const [, channels, height, width] = node.shape;
  const [, kh, kw] = node.inputs[1].shape;
  const last = kh * kw - 1;
  const y = new Float32Array(x.length);
  let position = 0;
  for (let c = 0; c < channels; c++) {
    for (let oy = 0; oy < height; oy++) {
      for (let ox = 0; ox < width; ox++) {
        let sum = bias ? bias[c] : 0;
        for (let ky = 0; ky < kh; ky++) {
          for (let kx = 0; kx < kw; kx++) {
            const yy = oy + ky - (kh >> 1);
            const xx = ox + kx - (kw >> 1);
            const inside = yy >= 0 && yy < height && xx >= 0 && xx < width;
            const value = inside ? x[(c * height + yy) * width + xx] : 0;
            const tap = ky * kw + kx;
            sum = fround(sum + fround(w[c * kh * kw + (node.attributes.flipped ? last - tap : tap)] * value));
          }
        }
        y[position++] = sum;
      }
    }
  }
  return y;
};

/** Pairs of positions (in the deep tensor, in the shallow one) of a pixel shuffle. */
function* shufflePositions(shallow: Shape, block: number): Generator<readonly [number, number]> {
  const [, channels, height, width] = shallow;
  const [h, w] = [height / block, width / block];
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const channel = ((y % block) * block + (x % block)) * channels + c;
        const deep = (channel * h + Math.floor(y / block)) * w + Math.floor(x / block);
        yield [deep, (c * height + y) * width + x];
      }
    }
  }
}

const spaceToDepth: Rule = (node, x) => {
  const y = new Float32Array(x.length);
  const positions = shufflePositions(node.inputs[0].shape, node.attributes.block as number);
  for (const [deep, shallow] of positions) y[deep] = x[shallow];
  return y;
};

const depthToSpace: Rule = (node, x) => {
  const y = new Float32Array(x.length);
  for (const [deep, shallow] of shufflePositions(node.shape, node.attributes.block as number)) {
    y[shallow] = x[deep];
  }
  return y;
};

const concat: Rule = (node, ...parts) => {
  if (node.attributes.axis !== 1 || node.shape[0] !== 1) throw unsupported(node);
  return Float32Array.from(parts.flatMap((part) => [...part]));
};

const slice: Rule = (node, x) => {
  const begin = node.attributes.begin as readonly number[];
  const strides = stridesOf(node.inputs[0].shape);
  const start = begin.reduce((sum, first, axis) => sum + first * strides[axis], 0);
  const indices = sliceIndices(node.shape, strides);
  return Float32Array.from(indices, (index) => x[start + index]);
};

/** Offsets of the elements of a block of this shape in a tensor with these strides, in row-major order. */
function sliceIndices(shape: Shape, strides: readonly number[]): number[] {
  return shape.reduce<number[]>(
    (indices, extent, axis) =>
      indices.flatMap((index) => Array.from({ length: extent }, (_, k) => index + k * strides[axis])),
    [0],
  );
}

/** Of matrices. */
const transpose: Rule = (node, x) => {
  const [rows, columns] = node.shape;
  return x.map((_, position) => x[(position % columns) * rows + Math.floor(position / columns)]);
};

const rules: Partial<Record<Op, Rule>> = {
  constant: (node) => node.values as Values,
  scalar: (node) => Float32Array.of(node.attributes.value as number),
  add: binary((a, b) => fround(a + b)),
  sub: binary((a, b) => fround(a - b)),
  mul: binary((a, b) => fround(a * b)),
  div: binary((a, b) => fround(a / b)),
  max: binary(Math.max),
  min: binary(Math.min),
  neg: unary((value) => -value),
  abs: unary(Math.abs),
  square: unary((value) => fround(value * value)),
  sqrt: unary((value) => fround(Math.sqrt(value))),
  leakyRelu: unary((value, node) => Math.max(value, fround(value * (node.attributes.slope as number)))),
  leakyReluGradient: (node, dy, y) =>
    dy.map((value, k) => (y[k] > 0 ? value : fround(value * (node.attributes.slope as number)))),
  lowerBound: unary((value, node) => Math.max(value, node.attributes.bound as number)),
  straightThroughRound: unary(roundHalfToEven),
  reshape: (_node, x) => x,
  broadcastTo: (node, x) =>
    Float32Array.from(broadcastIndices(node.inputs[0].shape, node.shape), (index) => x[index]),
  pointwise,
  conv,
  depthwise,
  spaceToDepth,
  depthToSpace,
  concat,
  slice,
  transpose,
};

function unsupported(node: Tensor): UnsupportedError {
  return new UnsupportedError(`exact reference: expected an operation that it has, got ${describe(node)}`);
}

/**
 * Values of the outputs of a graph (batch 1) for values of all its inputs, parameters among them.
 *
 * @param outputs tensors of one graph by name.
 * @param values row-major values of every input that the outputs depend on, by name.
 * @throws UnsupportedError for an operation that the exact engine does not have.
 * @throws UsageError for a missing input or a wrong number of values.
 * @example
 * const x = new Graph().input('x', [1, 1, 1, 2]);
 * runReference({ y: mul(x, 3) }, { x: new Float32Array([1, 2]) }).y; // 3, 6
 */
export function runReference(
  outputs: Readonly<Record<string, Tensor>>,
  values: Readonly<Record<string, Float32Array>>,
): Record<string, Float32Array> {
  const known = new Map<Tensor, Values>();
  for (const node of ancestors(Object.values(outputs))) {
    known.set(node, node.op === 'input' ? given(node, values) : evaluate(node, known));
  }
  return Object.fromEntries(
    Object.entries(outputs).map(([name, tensor]) => [name, (known.get(tensor) as Values).slice()]),
  );
}

function given(node: Tensor, values: Readonly<Record<string, Float32Array>>): Values {
  const found = values[node.name as string];
  if (found?.length === sizeOf(node.shape)) return found;
  throw new UsageError(
    `input ${describe(node)}: expected ${sizeOf(node.shape)} values, got ${found?.length ?? 'none'}`,
  );
}

function evaluate(node: Tensor, known: ReadonlyMap<Tensor, Values>): Values {
  const rule = rules[node.op];
  if (!rule) throw unsupported(node);
  return rule(node, ...node.inputs.map((input) => known.get(input) as Values));
}
