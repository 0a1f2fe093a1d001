/**
 * Lowers a graph to an ONNX model (operator set 17). Tensors keep their logical layout; only 1x1 and depthwise weights
 * are reshaped to what Conv expects. Slow operators of onnxruntime are avoided where a faster form exists (measured:
 * Softplus 40 times slower than Exp; Where, Sign and Pow slow), see docs/ARCHITECTURE.md.
 */
import { UnsupportedError, UsageError } from '../../errors.js';
import { ancestors, type Op, type Tensor } from '../graph.js';
import { formatShape, type Shape, sizeOf } from '../shape.js';
import { OnnxBuilder } from './builder.js';
import {
  type ConvolutionContext,
  lowerConv,
  lowerConvFilterGradient,
  lowerConvInputGradient,
  lowerDepthwise,
  lowerDepthwiseFilterGradient,
} from './convolutions.js';
import { onnxBytes } from './protobuf.js';
import { torchLowerings } from './torch.js';

export interface LowerOptions {
  /** Inputs whose values are known: they become part of the model (and onnxruntime prepacks them). */
  readonly weights?: ReadonlyMap<string, Float32Array>;
  /** Channels per block of onnxruntime's blocked layout for depthwise convolutions; 0 (default) is portable. */
  readonly block?: number;
  /**
   * Leave the height and width of rank-4 inputs open, so that one model serves pictures of every size. Only graphs
   * without reshape, slice along space and broadcastTo allow it.
   */
  readonly openSizes?: boolean;
  /** `torch` uses the custom operators of torch.ts, which only run.py executes; default `onnx`. */
  readonly target?: 'onnx' | 'torch';
}

export interface LoweredGraph {
  /** Serialised ModelProto. */
  readonly bytes: Uint8Array;
  readonly inputs: ReadonlyMap<string, Shape>;
  readonly outputs: ReadonlyMap<string, Shape>;
}

/** Chebyshev fit of log(erfc(x) / t) + x^2 in t = 1/(1+x/2), relative error 1.2e-7 (Numerical Recipes, erfcc). */
const erfcCoefficients = [
  0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196,
  1.00002368, -1.26551223,
];

const huge = 1e30;

class Lowering {
  readonly builder = new OnnxBuilder();
  readonly #names = new Map<Tensor, string>();
  readonly #context: ConvolutionContext;

  constructor(readonly options: LowerOptions) {
    this.#context = { builder: this.builder, block: options.block ?? 0 };
  }

  name(tensor: Tensor): string {
    const name = this.#names.get(tensor);
    if (!name)
      throw new UsageError(`lower: expected inputs before their users, got ${tensor.op}#${tensor.id}`);
    return name;
  }

  lower(node: Tensor): void {
    this.#names.set(node, this.#lowerNode(node));
  }

  #lowerNode(node: Tensor): string {
    const b = this.builder;
    if (node.op === 'input') {
      const values = this.options.weights?.get(node.name!);
      if (!values) return node.name!;
      if (values.length !== sizeOf(node.shape)) {
        throw new UsageError(
          `lower: expected ${sizeOf(node.shape)} values for ${node.name} ${formatShape(node.shape)}, got ${values.length}`,
        );
      }
      return b.constant(values, node.shape);
    }
    if (node.op === 'constant') return b.constant(node.values!, node.shape);
    if (node.op === 'scalar') return b.scalar(node.attributes.value as number);
    if (this.options.target === 'torch') {
      const special = torchLowerings[node.op]?.(b, node, (tensor) => this.name(tensor));
      if (special) return special;
    }
    const rule = lowerings[node.op];
    if (!rule) throw new UnsupportedError(`lower: expected an operation that ONNX has, got ${node.op}`);
    return rule(
      b,
      node,
      node.inputs.map((input) => this.name(input)),
      this.#context,
    );
  }
}

type LoweringRule = (b: OnnxBuilder, node: Tensor, inputs: string[], context: ConvolutionContext) => string;

const direct =
  (op: string): LoweringRule =>
  (b, _node, inputs) =>
    b.emit(op, inputs);

/** 1 where x > 0, else 0; at zero `atZero` (onnxruntime's Where and comparisons are several times slower). */
const step = (b: OnnxBuilder, x: string, atZero: number): string =>
  b.emit('HardSigmoid', [x], { alpha: { float: huge }, beta: { float: atZero } });

const lowerings: Partial<Record<Op, LoweringRule>> = {
  add: direct('Add'),
  sub: direct('Sub'),
  mul: direct('Mul'),
  div: direct('Div'),
  max: direct('Max'),
  min: direct('Min'),
  neg: direct('Neg'),
  abs: direct('Abs'),
  exp: direct('Exp'),
  log: direct('Log'),
  sqrt: direct('Sqrt'),
  reciprocal: direct('Reciprocal'),
  sigmoid: direct('Sigmoid'),
  tanh: direct('Tanh'),
  straightThroughRound: direct('Round'),
  // Gradients are nodes of their own by now: nothing is left to do.
  stopGradient: (_b, _node, [x]) => x,
  clipGradient: (_b, _node, [x]) => x,
  square: (b, _node, [x]) => b.emit('Mul', [x, x]),
  greaterEqual: (b, _node, [x, y]) => step(b, b.emit('Sub', [x, y]), 1),
  sign: (b, _node, [x]) => b.emit('Sub', [b.emit('Mul', [step(b, x, 0.5), b.scalar(2)]), b.scalar(1)]),
  softplus: (b, _node, [x]) => {
    const tail = b.emit('Exp', [b.emit('Neg', [b.emit('Abs', [x])])]);
    return b.emit('Add', [b.emit('Relu', [x]), b.emit('Log', [b.emit('Add', [tail, b.scalar(1)])])]);
  },
  lowerBound: (b, node, [x]) => b.emit('Clip', [x, b.scalar(node.attributes.bound as number)]),
  leakyRelu: (b, node, [x]) =>
    b.emit('LeakyRelu', [x], { alpha: { float: node.attributes.slope as number } }),
  leakyReluGradient: (b, node, [dy, y]) => {
    const steep = b.emit('Mul', [y, b.scalar(huge)]);
    return b.emit('Mul', [
      dy,
      b.emit('Clip', [steep, b.scalar(node.attributes.slope as number), b.scalar(1)]),
    ]);
  },
  normalTail: (b, _node, [x]) => {
    const a = b.emit('Mul', [b.emit('Abs', [x]), b.scalar(Math.SQRT1_2)]);
    const t = b.emit('Reciprocal', [b.emit('Add', [b.emit('Mul', [a, b.scalar(0.5)]), b.scalar(1)])]);
    const [highest, ...others] = erfcCoefficients;
    let polynomial = b.scalar(highest);
    for (const coefficient of others) {
      polynomial = b.emit('Add', [b.emit('Mul', [polynomial, t]), b.scalar(coefficient)]);
    }
    const exponent = b.emit('Sub', [polynomial, b.emit('Mul', [a, a])]);
    const tail = b.emit('Mul', [b.emit('Mul', [t, b.scalar(0.5)]), b.emit('Exp', [exponent])]);
    // Q(-x) = 1 - Q(x)
    const positive = step(b, x, 1);
    const mirrored = b.emit('Mul', [
      tail,
      b.emit('Sub', [b.emit('Mul', [positive, b.scalar(2)]), b.scalar(1)]),
    ]);
    return b.emit('Add', [mirrored, b.emit('Sub', [b.scalar(1), positive])]);
  },
  sum: (b, node, [x]) =>
    b.sum(x, node.attributes.axes as readonly number[], node.attributes.keepDims as boolean),
  reshape: (b, node, [x]) => b.reshape(x, node.shape),
  transpose: (b, node, [x]) => b.transpose(x, node.attributes.permutation as readonly number[]),
  broadcastTo: (b, node, [x]) => b.emit('Expand', [x, b.integers(...node.shape)]),
  slice: (b, node, [x]) => {
    const begin = node.attributes.begin as readonly number[];
    const axes = [...begin.keys()].filter((axis) => node.shape[axis] !== node.inputs[0].shape[axis]);
    return b.slice(
      x,
      axes,
      axes.map((axis) => begin[axis]),
      axes.map((axis) => begin[axis] + node.shape[axis]),
    );
  },
  pad: (b, node, [x]) =>
    b.emit('Pad', [
      x,
      b.integers(
        ...(node.attributes.before as readonly number[]),
        ...(node.attributes.after as readonly number[]),
      ),
    ]),
  concat: (b, node, inputs) => b.emit('Concat', inputs, { axis: node.attributes.axis as number }),
  spaceToDepth: (b, node, [x]) => b.emit('SpaceToDepth', [x], { blocksize: node.attributes.block as number }),
  depthToSpace: (b, node, [x]) =>
    b.emit('DepthToSpace', [x], { blocksize: node.attributes.block as number, mode: 'DCR' }),
  matMul: (b, node, [x, y]) => {
    const rank = node.shape.length;
    const swapped = [...Array(rank - 2).keys(), rank - 1, rank - 2];
    const left = node.attributes.transposeA ? b.transpose(x, swapped) : x;
    const right = node.attributes.transposeB ? b.transpose(y, swapped) : y;
    return b.emit('MatMul', [left, right]);
  },
  pointwise: (b, node, [x, w, bias]) => {
    const [o, i] = node.inputs[1].shape;
    const filter = b.reshape(w, [o, i, 1, 1]);
    return b.emit('Conv', bias ? [x, filter, bias] : [x, filter], { kernel_shape: [1, 1] });
  },
  depthwise: (_b, node, [x, w, bias], context) => lowerDepthwise(context, node, x, w, bias),
  depthwiseFilterGradient: (_b, node, [x, dy], context) => lowerDepthwiseFilterGradient(context, node, x, dy),
  conv: (b, node, [x, w, bias]) => lowerConv(b, node, x, w, bias),
  convInputGradient: (b, node, [dy, w]) => lowerConvInputGradient(b, node, dy, w),
  convFilterGradient: (b, node, [x, dy]) => lowerConvFilterGradient(b, node, x, dy),
};

/**
 * Lowers the part of the graph that the outputs need.
 *
 * @throws UsageError for weights of the wrong size, UnsupportedError for operations without an ONNX form.
 * @example
 * const { bytes } = lowerToOnnx({ loss }, { weights });
 */
export function lowerToOnnx(
  outputs: Readonly<Record<string, Tensor>>,
  options: LowerOptions = {},
): LoweredGraph {
  const lowering = new Lowering(options);
  const nodes = ancestors(Object.values(outputs));
  for (const node of nodes) lowering.lower(node);
  const inputs = nodes.filter((node) => node.op === 'input' && !options.weights?.has(node.name!));
  // Identity gives every output its public name even where one tensor is asked for twice or is an input.
  const named = Object.entries(outputs).map(([name, tensor]) => ({
    op: 'Identity',
    inputs: [lowering.name(tensor)],
    outputs: [name],
    attributes: {},
    domain: '',
  }));
  const dims = (shape: Shape): (number | string)[] =>
    options.openSizes && shape.length === 4
      ? shape.map((extent, axis) => (axis < 2 || extent === 1 ? extent : `${'NCHW'[axis]}_${shape[1]}`))
      : [...shape];
  const bytes = onnxBytes({
    nodes: [...lowering.builder.nodes, ...named],
    initializers: lowering.builder.initializers,
    inputs: inputs.map((input) => ({ name: input.name!, dims: dims(input.shape) })),
    outputs: Object.entries(outputs).map(([name, tensor]) => ({ name, dims: dims(tensor.shape) })),
  });
  return {
    bytes,
    inputs: new Map(inputs.map((input) => [input.name!, input.shape])),
    outputs: new Map(Object.entries(outputs).map(([name, tensor]) => [name, tensor.shape])),
  };
}
