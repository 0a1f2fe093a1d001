/**
 * Compiles inference graphs for the WebAssembly kernels and runs them: float32, batch 1, one thread, one fixed
 * order of all operations, hence the same bits on every machine and for every size of picture.
 *
 * A program belongs to the static shapes of its graph. Memory is planned when it is compiled: a tensor's place is
 * used again as soon as nothing needs it, results take over their operand's place where they can.
 * Values must stay finite: the payload of a NaN is the one thing that WebAssembly leaves open.
 */
import { UsageError } from '../../src/errors.js';
import { ancestors, formatShape, type Shape, sizeOf, type Tensor } from '../../src/graph/index.js';
import { planBlocks } from './arena.js';
import { Lowering } from './lowering.js';
import type { Step } from './program.js';
import { type ExactOptions, ExactWeights } from './weights.js';

/** A graph ready to run. Made by compileExact. */
export interface ExactProgram {
  /** Shapes of the inputs that `run` needs; parameters are not among them. */
  readonly inputs: ReadonlyMap<string, Shape>;
  /** Shapes of what `run` returns. */
  readonly outputs: ReadonlyMap<string, Shape>;
  /** Bytes that intermediate tensors need at most at a time, without weights. */
  readonly bytes: number;
  /**
   * Values of the outputs, row-major, for values of the inputs. Synchronous; the arrays returned are the caller's.
   *
   * @throws UsageError for a missing input or a wrong number of values.
   * @throws UnsupportedError where the memory limit would be passed.
   */
  run(inputs: Readonly<Record<string, Float32Array>>): Record<string, Float32Array>;
}

/**
 * Compiles the graph that the outputs [1,C,H,W] (or any shape) depend on.
 *
 * Operations: add, sub, mul, div, max, min (operands whole, per channel [1,C,1,1], per plane [1,1,H,W] or numbers),
 * neg, abs, square, sqrt, leakyRelu and its gradient, lowerBound, straightThroughRound, pointwise, depthwise, conv,
 * spaceToDepth, depthToSpace, concat and slice of channels, reshape, broadcastTo. Gradients of networks come in these, too:
 * parameters may be transposed matrices, or flipped kernels of depthwise.
 *
 * @param outputs tensors of one graph by the names that `run` gives them.
 * @param parameters weights by name; an ExactWeights shares memory and packed weights between programs, e.g. of
 *   several picture sizes.
 * @param options limits, where `parameters` is a plain map.
 * @throws UnsupportedError for any other operation, batches, or more memory than allowed.
 * @throws UsageError for no outputs, or parameters of a wrong size.
 * @example
 * const graph = new Graph();
 * const x = graph.input('x', [1, 1, 2, 2]);
 * const program = compileExact({ y: mul(x, 3) }, new Map());
 * program.run({ x: new Float32Array([1, 2, 3, 4]) }).y; // 3, 6, 9, 12
 */
export function compileExact(
  outputs: Readonly<Record<string, Tensor>>,
  parameters: ReadonlyMap<string, Float32Array> | ExactWeights,
  options: ExactOptions = {},
): ExactProgram {
  const weights = parameters instanceof ExactWeights ? parameters : new ExactWeights(parameters, options);
  const wanted = Object.entries(outputs);
  if (wanted.length === 0) throw new UsageError('compileExact: expected at least one output, got none');
  const tensors = wanted.map(([, tensor]) => tensor);
  const nodes = ancestors(tensors);
  const lowering = new Lowering(nodes, tensors, weights);
  for (const node of nodes) {
    lowering.emit(node);
    for (const [name, tensor] of wanted) if (tensor === node) lowering.result(name, tensor);
  }
  const bytes = planBlocks(lowering.steps);
  weights.reserve(weights.bytes + bytes);
  const shapes = new Map(wanted.map(([name, tensor]) => [name, tensor.shape]));
  return new CompiledProgram(weights, lowering.steps, lowering.inputs, shapes, bytes);
}

class CompiledProgram implements ExactProgram {
  constructor(
    readonly weights: ExactWeights,
    readonly steps: readonly Step[],
    readonly inputs: ReadonlyMap<string, Shape>,
    readonly outputs: ReadonlyMap<string, Shape>,
    readonly bytes: number,
  ) {}

  run(inputs: Readonly<Record<string, Float32Array>>): Record<string, Float32Array> {
    for (const [name, shape] of this.inputs) {
      const given = inputs[name]?.length;
      if (given !== sizeOf(shape)) {
        throw new UsageError(
          `input ${name}: expected ${sizeOf(shape)} values for ${formatShape(shape)}, got ${given ?? 'none'}`,
        );
      }
    }
    const { kernels, memory, bytes: arena } = this.weights;
    this.weights.reserve(arena + this.bytes);
    const results: Record<string, Float32Array> = {};
    const run = { kernels, memory, arena, inputs, results };
    for (const step of this.steps) step.execute(run);
    return results;
  }
}
