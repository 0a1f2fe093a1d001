/**
 * Operations that PyTorch has as one fast kernel and ONNX has not: custom operators of the domain `codec`, for the
 * target `torch` only (src/engines/torch/run.py executes them). What stands here would otherwise be lowered to many
 * small operators that suit onnxruntime.
 *
 *     NormalTail(x), Sign(x), GreaterEqual(a, b) -> 0 or 1
 *     LeakyReluGradient(dy, y) {alpha}
 *     PointwiseFilterGradient(x, dy) -> [O,I]
 *     DepthwiseFilterGradient(x, dy) {kernel_shape} -> [C,kh,kw]
 *     ConvFilterGradient(x, dy) {kernel_shape, strides, pads} -> [O,I,kh,kw]
 */
import type { Op, Tensor } from '../graph.js';
import type { Attributes, OnnxBuilder } from './builder.js';

const domain = 'codec';

/** `name` gives the ONNX name of any tensor already lowered. */
export type TorchRule = (
  b: OnnxBuilder,
  node: Tensor,
  name: (tensor: Tensor) => string,
) => string | undefined;

const custom =
  (op: string, attributes: (node: Tensor) => Attributes = () => ({})): TorchRule =>
  (b, node, name) =>
    b.emit(op, node.inputs.map(name), attributes(node), domain);

/** The image that a reshape to [N,C,H*W] flattens; undefined for any other tensor. */
function flattened(x: Tensor): Tensor | undefined {
  const source = x.op === 'reshape' ? x.inputs[0] : undefined;
  const [n, c] = x.shape;
  return source?.shape.length === 4 && source.shape[0] === n && source.shape[1] === c ? source : undefined;
}

/** The weight gradient of a 1x1 convolution, as gradients.ts writes it: sum over the batch of dY X^T. */
function pointwiseFilterGradient(node: Tensor): readonly [Tensor, Tensor] | undefined {
  const product = node.inputs[0];
  const axes = node.attributes.axes as readonly number[];
  if (product.op !== 'matMul' || axes.join() !== '0' || node.shape.length !== 2) return undefined;
  if (product.attributes.transposeA || !product.attributes.transposeB) return undefined;
  const [dy, x] = product.inputs.map(flattened);
  return x && dy ? [x, dy] : undefined;
}

/** Rules that replace those of lower.ts; undefined where a rule does not apply after all. */
export const torchLowerings: Partial<Record<Op, TorchRule>> = {
  normalTail: custom('NormalTail'),
  sign: custom('Sign'),
  greaterEqual: custom('GreaterEqual'),
  softplus: (b, node, name) => b.emit('Softplus', node.inputs.map(name)),
  leakyReluGradient: custom('LeakyReluGradient', ({ attributes }) => ({
    alpha: { float: attributes.slope as number },
  })),
  depthwiseFilterGradient: custom('DepthwiseFilterGradient', ({ attributes }) => ({
    kernel_shape: attributes.kernel as readonly number[],
  })),
  convFilterGradient: custom('ConvFilterGradient', ({ attributes, shape }) => ({
    kernel_shape: shape.slice(2),
    strides: [attributes.stride as number, attributes.stride as number],
    pads: attributes.padding as readonly number[],
  })),
  sum: (b, node, name) => {
    const operands = pointwiseFilterGradient(node);
    return operands && b.emit('PointwiseFilterGradient', operands.map(name), {}, domain);
  },
};
