/**
 * Declares the parameters of a network while its graph is built: every parameter is a graph input with a dotted name,
 * a shape and a rule for its untrained values.
 */
import type { Graph, Shape, Tensor } from '../../src/graph/index.js';

/** Untrained values: all equal, or normally distributed with mean zero. */
export type Initial = { readonly value: number } | { readonly deviation: number };

export interface ParameterSpec {
  readonly shape: Shape;
  readonly initial: Initial;
}

export type ParameterValues = Map<string, Float32Array>;

export class Parameters {
  readonly specs = new Map<string, ParameterSpec>();

  constructor(readonly graph: Graph) {}

  /** The parameter of that name, declared on first use. */
  get(name: string, shape: Shape, initial: Initial): Tensor {
    if (!this.specs.has(name)) this.specs.set(name, { shape, initial });
    return this.graph.input(name, shape);
  }
}
