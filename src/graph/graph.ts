/**
 * A static graph of float32 tensors: nodes are immutable, hash-consed (the same operation on the same inputs is
 * one node) and ordered so that inputs come before their users. Shapes are checked when a node is made; a wrong
 * shape is a UsageError that names the operation, the tensors and their shapes.
 *
 * A model is a plain function from tensors to tensors (see operations.ts); gradients.ts adds the backward nodes;
 * onnx/ lowers a graph for an engine. Layout: NCHW. 1x1 weights [O,I], depthwise weights [C,kh,kw], biases [C].
 */
import { UsageError } from '../errors.js';
import { formatShape, type Shape, sizeOf } from './shape.js';

export type LeafOp = 'input' | 'constant' | 'scalar';
export type UnaryOp =
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
  | 'leakyRelu'
  | 'straightThroughRound'
  | 'stopGradient'
  | 'clipGradient'
  | 'normalTail'
  | 'lowerBound';
export type BinaryOp = 'add' | 'sub' | 'mul' | 'div' | 'max' | 'min' | 'greaterEqual' | 'leakyReluGradient';
export type ShapeOp =
  | 'reshape'
  | 'transpose'
  | 'broadcastTo'
  | 'slice'
  | 'pad'
  | 'concat'
  | 'spaceToDepth'
  | 'depthToSpace';
export type LinearOp =
  | 'matMul'
  | 'pointwise'
  | 'depthwise'
  | 'depthwiseFilterGradient'
  | 'conv'
  | 'convInputGradient'
  | 'convFilterGradient';
export type Op = LeafOp | UnaryOp | BinaryOp | ShapeOp | LinearOp | 'sum';

/** Everything an operation needs beside its inputs; plain JSON values, part of a node's identity. */
export type Attributes = Readonly<Record<string, number | boolean | string | readonly number[]>>;

/** A node of the graph: one operation and the tensor it yields. */
export interface Tensor {
  readonly graph: Graph;
  readonly id: number;
  readonly op: Op;
  readonly inputs: readonly Tensor[];
  readonly attributes: Attributes;
  readonly shape: Shape;
  /** Name of an `input`; undefined for all other operations. */
  readonly name?: string;
  /** Values of a `constant` (row-major); undefined for all other operations. */
  readonly values?: Float32Array;
}

/** How a tensor is called in messages: its name, or its operation and number. */
export function describe(tensor: Tensor): string {
  return `${tensor.name ?? `${tensor.op}#${tensor.id}`} ${formatShape(tensor.shape)}`;
}

/** UsageError for operands that do not fit an operation. */
export function shapeError(op: string, expected: string, operands: readonly Tensor[]): UsageError {
  return new UsageError(`${op}: expected ${expected}, got ${operands.map(describe).join(', ')}`);
}

/**
 * Holds the nodes in topological order. Nodes are made by the functions of operations.ts.
 *
 * @example
 * const graph = new Graph();
 * const x = graph.input('x', [1, 3, 8, 8]);
 * const y = mul(add(x, 1), 0.5); // from operations.ts
 */
export class Graph {
  readonly nodes: Tensor[] = [];
  readonly #byKey = new Map<string, Tensor>();
  readonly #inputs = new Map<string, Tensor>();

  /** The inputs by name, in the order in which they were made. */
  get inputs(): ReadonlyMap<string, Tensor> {
    return this.#inputs;
  }

  /** A tensor fed at run time. Asking for the same name and shape again gives the same tensor. */
  input(name: string, shape: Shape): Tensor {
    if (shape.some((extent) => !Number.isInteger(extent) || extent < 1)) {
      throw new UsageError(`input ${name}: expected positive whole extents, got ${formatShape(shape)}`);
    }
    const known = this.#inputs.get(name);
    if (known) {
      if (formatShape(known.shape) !== formatShape(shape)) {
        throw new UsageError(
          `input ${name}: expected its first shape ${formatShape(known.shape)}, got ${formatShape(shape)}`,
        );
      }
      return known;
    }
    const node = this.#push({ op: 'input', inputs: [], attributes: {}, shape, name });
    this.#inputs.set(name, node);
    return node;
  }

  /** A tensor of known values, row-major. */
  constant(values: ArrayLike<number>, shape: Shape): Tensor {
    if (values.length !== sizeOf(shape)) {
      throw new UsageError(
        `constant: expected ${sizeOf(shape)} values for ${formatShape(shape)}, got ${values.length}`,
      );
    }
    return this.#push({
      op: 'constant',
      inputs: [],
      attributes: {},
      shape,
      values: Float32Array.from(values),
    });
  }

  /** A rank-0 number; rounded to float32 only where an engine does so. */
  scalar(value: number): Tensor {
    return this.node('scalar', [], { value }, []);
  }

  /** A node of any operation but the leaves with data; the caller has checked the shapes. */
  node(op: Op, inputs: readonly Tensor[], attributes: Attributes, shape: Shape): Tensor {
    for (const input of inputs) {
      if (input.graph !== this) throw new UsageError(`${op}: ${describe(input)} belongs to another graph`);
    }
    const key = `${op}|${inputs.map((input) => input.id).join(',')}|${JSON.stringify(attributes)}|${shape.join(',')}`;
    const known = this.#byKey.get(key);
    if (known) return known;
    const node = this.#push({ op, inputs, attributes, shape });
    this.#byKey.set(key, node);
    return node;
  }

  #push(fields: Omit<Tensor, 'graph' | 'id'>): Tensor {
    const node: Tensor = { graph: this, id: this.nodes.length, ...fields };
    this.nodes.push(node);
    return node;
  }
}

/** The nodes that the given tensors depend on, themselves included, inputs before users. */
export function ancestors(outputs: readonly Tensor[]): Tensor[] {
  const needed = new Set<Tensor>();
  const pending = [...outputs];
  for (let node = pending.pop(); node; node = pending.pop()) {
    if (needed.has(node)) continue;
    needed.add(node);
    pending.push(...node.inputs);
  }
  return [...needed].sort((a, b) => a.id - b.id);
}
