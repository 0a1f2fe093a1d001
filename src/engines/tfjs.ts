/**
 * Runs a graph with the operations of TensorFlow.js, and lets tfjs differentiate its forward part: an independent
 * referee of our values and gradients. Works with any tfjs namespace: `@tensorflow/tfjs-node` where a user has it
 * (`loadTfjs`), plain `@tensorflow/tfjs` in the tests. The operations are in tfjs-kernels.ts.
 * Test: test/src/engines/tfjs.test.ts.
 */
import { UnsupportedError, UsageError } from '../errors.js';
import { feedOf } from '../graph/evaluate.js';
import { ancestors, describe, type Tensor } from '../graph/graph.js';
import { type Tfjs, type TfjsNamespace, type TfjsTensor, tfjsKernels } from './tfjs-kernels.js';

export type { TfjsNamespace } from './tfjs-kernels.js';

type T = TfjsTensor;

/** Values of the outputs, given the values of some nodes; the inputs must be among those. */
function interpret(tf: Tfjs, outputs: readonly Tensor[], given: ReadonlyMap<Tensor, T>): T[] {
  const valuesOf = new Map(given);
  for (const node of ancestors(outputs)) {
    if (!valuesOf.has(node)) valuesOf.set(node, compute(tf, node, valuesOf));
  }
  return outputs.map((output) => valuesOf.get(output) as T);
}

function compute(tf: Tfjs, node: Tensor, valuesOf: ReadonlyMap<Tensor, T>): T {
  switch (node.op) {
    case 'input':
      throw new UsageError(`feeds: expected values for input ${describe(node)}, got none`);
    case 'constant':
      return tf.tensor(node.values as Float32Array, [...node.shape], 'float32');
    case 'scalar':
      return tf.scalar(node.attributes.value as number, 'float32');
    default:
      return tfjsKernels[node.op](tf, node, ...node.inputs.map((input) => valuesOf.get(input) as T));
  }
}

// ------------------------------------------------------------------------------------------- the engine

type Feeds = Readonly<Record<string, ArrayLike<number>>>;

/** Runs graphs on tfjs; nothing is kept between calls. */
export interface TfjsEngine {
  /**
   * Values of the given tensors in float32, row-major, under the given names. `feeds` holds row-major values for
   * every input that they depend on, by the input's name.
   *
   * @throws UsageError that names an input without feed or with a feed of the wrong length.
   */
  run(outputs: Readonly<Record<string, Tensor>>, feeds: Feeds): Promise<Record<string, Float32Array>>;

  /**
   * Gradients of a scalar with respect to graph inputs, made by tfjs from the forward part alone; one array per
   * wanted input, in their order.
   *
   * @throws UsageError for a loss that is no scalar, a wanted tensor that is no input, and as `run`.
   */
  gradients(loss: Tensor, wanted: readonly Tensor[], feeds: Feeds): Promise<Float32Array[]>;
}

/**
 * An engine on the given tfjs namespace (`import * as tf from '@tensorflow/tfjs'`) and its current backend.
 *
 * @example
 * const engine = createTfjsEngine(await loadTfjs());
 * const graph = new Graph();
 * const x = graph.input('x', [2]);
 * await engine.run({ y: mul(x, 2) }, { x: [1, 2] }); // { y: Float32Array [2, 4] }
 * await engine.gradients(sum(square(x)), [x], { x: [1, 2] }); // [Float32Array [2, 4]]
 */
export function createTfjsEngine(namespace: TfjsNamespace): TfjsEngine {
  const tf = namespace as unknown as Tfjs;
  const feed = (outputs: readonly Tensor[], feeds: Feeds): Map<Tensor, T> => {
    const inputs = ancestors(outputs).filter((node) => node.op === 'input');
    const values = inputs.map((input) => Float32Array.from(feedOf(input, feeds)));
    return new Map(inputs.map((input, k) => [input, tf.tensor(values[k], [...input.shape], 'float32')]));
  };

  /** Computes tensors, downloads them, and frees everything else. */
  const download = async (make: () => T[]): Promise<Float32Array[]> => {
    await tf.ready();
    let results: T[] = [];
    tf.tidy(() => {
      results = make().map((result) => tf.keep(result));
    });
    try {
      return await Promise.all(results.map(async (result) => Float32Array.from(await result.data())));
    } finally {
      for (const result of results) result.dispose();
    }
  };

  return {
    async run(outputs, feeds) {
      const names = Object.keys(outputs);
      const tensors = Object.values(outputs);
      const values = await download(() => interpret(tf, tensors, feed(tensors, feeds)));
      return Object.fromEntries(names.map((name, k) => [name, values[k]]));
    },

    async gradients(loss, wanted, feeds) {
      if (loss.shape.length !== 0) {
        throw new UsageError(`gradients: expected a scalar loss, got ${describe(loss)}`);
      }
      const known = new Set(ancestors([loss]));
      for (const input of wanted) {
        if (input.op !== 'input' || !known.has(input)) {
          throw new UsageError(`gradients: expected inputs that the loss depends on, got ${describe(input)}`);
        }
      }
      return download(() => {
        const given = feed([loss], feeds);
        const forward = (...values: T[]): T =>
          interpret(
            tf,
            [loss],
            new Map([...given, ...wanted.map((input, k) => [input, values[k]] as const)]),
          )[0];
        return tf.grads(forward)(wanted.map((input) => given.get(input) as T));
      });
    },
  };
}

/**
 * Imports `@tensorflow/tfjs-node`, an optional peer dependency.
 *
 * @throws UnsupportedError that says how to install it, where it is missing or does not load.
 * @example
 * const engine = createTfjsEngine(await loadTfjs());
 */
export async function loadTfjs(): Promise<TfjsNamespace> {
  const name: string = '@tensorflow/tfjs-node';
  try {
    const module = (await import(name)) as TfjsNamespace & { default?: TfjsNamespace };
    return module.default ?? module;
  } catch (cause) {
    const [reason] = (cause as Error).message.split('\n');
    throw new UnsupportedError(
      `${name}: expected the optional package to load, got: ${reason} (install it with: npm install ${name}; it needs Node 22 or older)`,
    );
  }
}
