/**
 * Multiply-accumulates of a graph, counted from its nodes: matrix products, convolutions and the gradients of
 * convolutions. Element-wise work is left out, as is usual; one multiply-accumulate is two floating-point operations.
 */
import { ancestors, type Tensor } from './graph.js';
import { sizeOf } from './shape.js';

/** Multiply-accumulates of one node; 0 for operations that are not linear ones. */
export function macsOf({ op, inputs, attributes, shape }: Tensor): number {
  const extents = (k: number): readonly number[] => inputs[k].shape;
  const product = (values: readonly number[]): number => values.reduce((total, value) => total * value, 1);
  switch (op) {
    case 'matMul': {
      const rank = shape.length;
      return sizeOf(shape) * extents(0)[attributes.transposeA ? rank - 2 : rank - 1];
    }
    case 'pointwise':
    case 'depthwise':
    case 'conv':
      // Every output value sums over the weights of its channel.
      return sizeOf(shape) * product(extents(1).slice(1));
    case 'depthwiseFilterGradient':
      return sizeOf(extents(0)) * product(shape.slice(1));
    case 'convInputGradient':
      return sizeOf(extents(0)) * product(extents(1).slice(1));
    case 'convFilterGradient':
      return sizeOf(extents(1)) * product(shape.slice(1));
    default:
      return 0;
  }
}

/**
 * Multiply-accumulates of everything that the given tensors depend on.
 * @example
 * const x = graph.input('x', [1, 3, 8, 8]);
 * totalMacs([pointwise(x, graph.input('w', [4, 3]))]); // 768
 */
export function totalMacs(outputs: readonly Tensor[]): number {
  return ancestors(outputs).reduce((total, node) => total + macsOf(node), 0);
}
