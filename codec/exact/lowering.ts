/**
 * Lowers the nodes of a graph to steps. Reshapes and channel slices cost nothing: they are places inside their
 * input's block. LeakyReLU is fused into a convolution that has no other user. Weights that are parameters are
 * packed once (weights.ts); others are packed in every run.
 */
import { UnsupportedError } from '../../src/errors.js';
import { describe, type Op, type Shape, sizeOf, type Tensor } from '../../src/graph/index.js';
import {
  addressOf,
  blocksOf,
  inputStep,
  loadStep,
  newPlace,
  type Place,
  resultStep,
  type Step,
  shifted,
} from './program.js';
import { broadcastViews, type View } from './views.js';
import { type ExactWeights, type ParameterView, packedSize, transposed, turned } from './weights.js';

type Image = readonly [number, number, number, number];

const convolutions: ReadonlySet<Op> = new Set<Op>(['pointwise', 'depthwise', 'conv']);

/** Kernel of each elementwise operation on two operands. */
const binaryKernels = { add: 'add', sub: 'sub', mul: 'mul', div: 'div', max: 'max', min: 'min' } as const;
/** Kernel of each elementwise operation on one operand. */
const unaryKernels = {
  neg: 'neg',
  abs: 'abs',
  sqrt: 'sqrt',
  square: 'square',
  straightThroughRound: 'round',
} as const;

/** Lowers one graph: `emit` the nodes in topological order, `result` for outputs, then read `steps`. */
export class Lowering {
  readonly steps: Step[] = [];
  /** The inputs that a run must give, by name. */
  readonly inputs = new Map<string, Shape>();
  readonly #weights: ExactWeights;
  readonly #places = new Map<Tensor, Place>();
  /** Convolutions that are computed together with the LeakyReLU behind them. */
  readonly #fused: ReadonlySet<Tensor>;

  constructor(nodes: readonly Tensor[], outputs: readonly Tensor[], weights: ExactWeights) {
    this.#weights = weights;
    this.#fused = fusedConvolutions(nodes, outputs);
  }

  /** Adds the steps of one node; leaves are loaded only when something needs them. */
  emit(node: Tensor): void {
    if (node.inputs.length === 0 || this.#fused.has(node) || this.#parameter(node)) return;
    this.#places.set(node, this.#lower(node));
  }

  /** Adds the step that hands out a tensor. */
  result(name: string, tensor: Tensor): void {
    this.steps.push(resultStep(this.#place(tensor), name, sizeOf(tensor.shape)));
  }

  #place(tensor: Tensor): Place {
    const known = this.#places.get(tensor);
    if (known) return known;
    const place = this.#leaf(tensor);
    this.#places.set(tensor, place);
    return place;
  }

  #leaf(tensor: Tensor): Place {
    const size = sizeOf(tensor.shape);
    const parameter = this.#parameter(tensor);
    if (parameter) return { address: this.#weights.plain(parameter, size) };
    const place = newPlace(size);
    if (tensor.op === 'input') {
      const name = tensor.name as string;
      this.inputs.set(name, tensor.shape);
      this.steps.push(inputStep(place, name, size));
    } else {
      const values = tensor.values ?? new Float32Array([tensor.attributes.value as number]);
      this.steps.push(loadStep(place, values));
    }
    return place;
  }

  /** The parameter that a tensor is, be it reshaped or a transposed matrix. */
  #parameter(tensor: Tensor): ParameterView | undefined {
    if (tensor.op === 'reshape') return this.#parameter(tensor.inputs[0]);
    if (tensor.op === 'transpose' && tensor.shape.length === 2) {
      const matrix = this.#parameter(tensor.inputs[0]);
      if (!matrix || matrix.arrangement) return undefined;
      const [columns, rows] = tensor.shape;
      return { name: matrix.name, arrangement: transposed(rows, columns) };
    }
    const { name } = tensor;
    return name !== undefined && this.#weights.parameters.has(name) ? { name } : undefined;
  }

  #lower(node: Tensor): Place {
    const { op } = node;
    if (op in binaryKernels) return this.#binary(node, binaryKernels[op as keyof typeof binaryKernels]);
    if (op in unaryKernels) return this.#unary(node, unaryKernels[op as keyof typeof unaryKernels]);
    switch (op) {
      case 'leakyRelu':
        return this.#leakyRelu(node);
      case 'leakyReluGradient':
        return this.#leakyReluGradient(node);
      case 'lowerBound':
        return this.#lowerBound(node);
      case 'pointwise':
      case 'conv':
      case 'depthwise':
        return this.#convolution(node, 1);
      case 'spaceToDepth':
      case 'depthToSpace':
        return this.#shuffle(node, op);
      case 'concat':
        return this.#concat(node);
      case 'slice':
        return this.#slice(node);
      case 'reshape':
      case 'stopGradient':
        return this.#place(node.inputs[0]);
      case 'broadcastTo':
        return this.#broadcastTo(node);
      default:
        throw unsupported(node, 'an operation that it has');
    }
  }

  #binary(node: Tensor, kernel: keyof typeof binaryKernels): Place {
    const [a, b] = node.inputs;
    const views = broadcastViews(node.shape, [a.shape, b.shape]);
    if (!views) throw unsupported(node, 'operands that are whole, per channel, per plane or numbers');
    return this.#elementwise(node, kernel, this.#place(a), this.#place(b), views.views, views);
  }

  #lowerBound(node: Tensor): Place {
    const bound = newPlace(1);
    this.steps.push(loadStep(bound, new Float32Array([node.attributes.bound as number])));
    const views = [
      { row: 0, column: 1 },
      { row: 0, column: 0 },
    ] as const;
    const extents = { rows: 1, columns: sizeOf(node.shape) };
    return this.#elementwise(node, 'max', this.#place(node.inputs[0]), bound, views, extents);
  }

  #elementwise(
    node: Tensor,
    kernel: keyof typeof binaryKernels,
    a: Place,
    b: Place,
    [viewA, viewB]: readonly View[],
    { rows, columns }: { rows: number; columns: number },
  ): Place {
    const y = newPlace(sizeOf(node.shape));
    // In place only where the operands lie apart: one could be read after the other was overwritten.
    const whole = [a, b].find((place, k) => place.block && isWhole([viewA, viewB][k], rows, columns));
    const reuse = whole && a.block !== b.block ? reuseOf(whole, y) : undefined;
    this.steps.push({
      touches: blocksOf(a, b, y),
      reuse,
      execute: (run) =>
        run.kernels[kernel](
          addressOf(a, run),
          viewA.row,
          viewA.column,
          addressOf(b, run),
          viewB.row,
          viewB.column,
          addressOf(y, run),
          rows,
          columns,
        ),
    });
    return y;
  }

  #unary(node: Tensor, kernel: (typeof unaryKernels)[keyof typeof unaryKernels]): Place {
    const size = sizeOf(node.shape);
    const x = this.#place(node.inputs[0]);
    const y = newPlace(size);
    this.steps.push({
      touches: blocksOf(x, y),
      reuse: reuseOf(x, y),
      execute: (run) => run.kernels[kernel](addressOf(x, run), addressOf(y, run), size),
    });
    return y;
  }

  #leakyRelu(node: Tensor): Place {
    const slope = node.attributes.slope as number;
    if (this.#fused.has(node.inputs[0])) return this.#convolution(node.inputs[0], slope);
    const size = sizeOf(node.shape);
    const x = this.#place(node.inputs[0]);
    const y = newPlace(size);
    this.steps.push({
      touches: blocksOf(x, y),
      reuse: reuseOf(x, y),
      execute: (run) => run.kernels.leakyRelu(addressOf(x, run), addressOf(y, run), size, slope),
    });
    return y;
  }

  #leakyReluGradient(node: Tensor): Place {
    const slope = node.attributes.slope as number;
    const size = sizeOf(node.shape);
    const [dy, y] = node.inputs.map((input) => this.#place(input));
    const dx = newPlace(size);
    this.steps.push({
      touches: blocksOf(dy, y, dx),
      reuse: dy.block !== y.block ? reuseOf(dy, dx) : undefined,
      execute: (run) =>
        run.kernels.leakyReluGradient(addressOf(dy, run), addressOf(y, run), addressOf(dx, run), size, slope),
    });
    return dx;
  }

  #convolution(node: Tensor, slope: number): Place {
    if (node.op === 'depthwise') return this.#depthwise(node, slope);
    const [x, weights] = node.inputs;
    const [, inputs, height, width] = imageShape(x, node);
    const [, outputs, outHeight, outWidth] = imageShape(node, node);
    const terms = sizeOf(weights.shape) / outputs;
    const from = this.#place(x);
    const packed = this.#matrix(node, outputs, terms);
    const y = newPlace(sizeOf(node.shape));
    const panel = newPlace(this.#weights.kernels.panelSize(terms));
    const touches = blocksOf(from, packed, panel, y);
    if (node.op === 'pointwise') {
      this.steps.push({
        touches,
        execute: (run) =>
          run.kernels.pointwise(
            addressOf(from, run),
            addressOf(packed, run),
            addressOf(y, run),
            addressOf(panel, run),
            inputs,
            outputs,
            height * width,
            slope,
          ),
      });
      return y;
    }
    const [, , kh, kw] = weights.shape;
    const stride = node.attributes.stride as number;
    const [top, left] = node.attributes.padding as readonly number[];
    this.steps.push({
      touches,
      execute: (run) =>
        run.kernels.conv(
          addressOf(from, run),
          addressOf(packed, run),
          addressOf(y, run),
          addressOf(panel, run),
          inputs,
          outputs,
          height,
          width,
          kh,
          kw,
          stride,
          top,
          left,
          outHeight,
          outWidth,
          slope,
        ),
    });
    return y;
  }

  /** Packed weights and bias of a pointwise or conv node. */
  #matrix({ inputs: [, weights, bias] }: Tensor, outputs: number, terms: number): Place {
    const matrix = this.#parameter(weights);
    const offsets = bias && this.#parameter(bias);
    if (matrix && (!bias || offsets)) {
      return { address: this.#weights.matrix(matrix, offsets, outputs, terms) };
    }
    const w = this.#place(weights);
    const b = bias && this.#place(bias);
    const packed = newPlace(packedSize(outputs, terms));
    this.steps.push({
      touches: blocksOf(w, packed, ...(b ? [b] : [])),
      execute: (run) =>
        run.kernels.packMatrix(
          addressOf(w, run),
          b ? addressOf(b, run) : 0,
          addressOf(packed, run),
          outputs,
          terms,
        ),
    });
    return packed;
  }

  #depthwise(node: Tensor, slope: number): Place {
    const [x, weights, bias] = node.inputs;
    const [, channels, height, width] = imageShape(node, node);
    const [, kh, kw] = weights.shape;
    const from = this.#place(x);
    const w = node.attributes.flipped ? this.#turnedKernels(node) : this.#place(weights);
    const b = bias && this.#place(bias);
    const y = newPlace(sizeOf(node.shape));
    const plane = newPlace(this.#weights.kernels.planeSize(height, width, kh, kw));
    this.steps.push({
      touches: blocksOf(from, w, plane, y, ...(b ? [b] : [])),
      execute: (run) =>
        run.kernels.depthwise(
          addressOf(from, run),
          addressOf(w, run),
          b ? addressOf(b, run) : 0,
          addressOf(y, run),
          addressOf(plane, run),
          channels,
          height,
          width,
          kh,
          kw,
          slope,
        ),
    });
    return y;
  }

  #turnedKernels(node: Tensor): Place {
    const [, weights] = node.inputs;
    const [channels, kh, kw] = weights.shape;
    const parameter = this.#parameter(weights);
    if (!parameter || parameter.arrangement) throw unsupported(node, 'a parameter as the flipped kernel');
    const view = { ...parameter, arrangement: turned(kh * kw) };
    return { address: this.#weights.plain(view, channels * kh * kw) };
  }

  #shuffle(node: Tensor, op: 'spaceToDepth' | 'depthToSpace'): Place {
    // Both kernels are told the shape of the side with the smaller planes.
    const block = node.attributes.block as number;
    const [, deep, height, width] = imageShape(op === 'spaceToDepth' ? node : node.inputs[0], node);
    const channels = deep / (block * block);
    const x = this.#place(node.inputs[0]);
    const y = newPlace(sizeOf(node.shape));
    this.steps.push({
      touches: blocksOf(x, y),
      execute: (run) => run.kernels[op](addressOf(x, run), addressOf(y, run), channels, height, width, block),
    });
    return y;
  }

  #concat(node: Tensor): Place {
    if (node.attributes.axis !== 1 || node.shape[0] !== 1) throw unsupported(node, 'channels of one picture');
    const y = newPlace(sizeOf(node.shape));
    let start = 0;
    for (const part of node.inputs) {
      const size = sizeOf(part.shape);
      const x = this.#place(part);
      const to = shifted(y, start);
      this.steps.push({
        touches: blocksOf(x, y),
        execute: (run) => run.kernels.copy(addressOf(x, run), addressOf(to, run), size),
      });
      start += size;
    }
    return y;
  }

  #slice(node: Tensor): Place {
    const [x] = node.inputs;
    const begin = node.attributes.begin as readonly number[];
    const whole = x.shape.every((extent, axis) => axis === 1 || node.shape[axis] === extent);
    if (!whole || node.shape[0] !== 1) throw unsupported(node, 'a range of channels of one picture');
    return shifted(this.#place(x), (begin[1] * sizeOf(node.shape)) / node.shape[1]);
  }

  #broadcastTo(node: Tensor): Place {
    const fitted = broadcastViews(node.shape, [node.inputs[0].shape]);
    if (!fitted) throw unsupported(node, 'one value per channel, one plane or a number');
    const { rows, columns, views } = fitted;
    const [{ row, column }] = views;
    const x = this.#place(node.inputs[0]);
    const y = newPlace(sizeOf(node.shape));
    this.steps.push({
      touches: blocksOf(x, y),
      execute: (run) =>
        run.kernels.broadcast(addressOf(x, run), row, column, addressOf(y, run), rows, columns),
    });
    return y;
  }
}

/** Convolutions whose only user is a LeakyReLU and which are no outputs themselves. */
function fusedConvolutions(nodes: readonly Tensor[], outputs: readonly Tensor[]): Set<Tensor> {
  const users = new Map<Tensor, number>();
  for (const output of outputs) users.set(output, 1);
  for (const node of nodes) {
    for (const input of node.inputs) users.set(input, (users.get(input) ?? 0) + 1);
  }
  const candidates = nodes.filter(({ op }) => op === 'leakyRelu').map(({ inputs: [x] }) => x);
  return new Set(candidates.filter((x) => convolutions.has(x.op) && users.get(x) === 1));
}

/** Whether a view walks its operand densely from first to last element. */
const isWhole = ({ row, column }: View, rows: number, columns: number): boolean =>
  column === 1 && (rows === 1 || row === columns);

const reuseOf = ({ block: operand }: Place, { block: result }: Place): Step['reuse'] =>
  operand && result ? { operand, result } : undefined;

/** [1,C,H,W] of an image tensor; batches are not for this engine. */
function imageShape(tensor: Tensor, node: Tensor): Image {
  if (tensor.shape[0] !== 1) throw unsupported(node, 'one picture at a time');
  return tensor.shape as unknown as Image;
}

function unsupported(node: Tensor, expected: string): UnsupportedError {
  const operands = node.inputs.map(describe).join(', ');
  return new UnsupportedError(
    `exact engine: expected ${expected}, got ${node.op} of ${operands} giving ${describe(node)}`,
  );
}
