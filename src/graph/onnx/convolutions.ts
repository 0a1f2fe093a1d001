/**
 * Convolutions and their gradients in ONNX operators that onnxruntime runs fast.
 *
 * Measured on two AVX-512 cores: 1x1 convolutions as Conv reach 400 GFLOP/s; depthwise convolutions with weights that
 * change every step are 2 to 10 times faster through onnxruntime's internal blocked layout (domain
 * com.microsoft.nchwc: channels in blocks of 16 with AVX-512, 8 with AVX2). A wrong block size gives wrong numbers
 * silently, so the engine finds it by a test run (engines/onnxruntime.ts); 0 means the portable form.
 */
import type { Tensor } from '../graph.js';
import type { OnnxBuilder } from './builder.js';

const blockedDomain = 'com.microsoft.nchwc';
const far = -(2 ** 31);

export interface ConvolutionContext {
  readonly builder: OnnxBuilder;
  /** Channels per block of onnxruntime's blocked layout; 0 where it must not be used. */
  readonly block: number;
}

const usesBlocks = (context: ConvolutionContext, channels: number): boolean =>
  context.block > 0 && channels % context.block === 0;

const toBlocked = (b: OnnxBuilder, x: string): string =>
  b.emit('ReorderInput', [x], { channels_last: 0 }, blockedDomain);
const fromBlocked = (b: OnnxBuilder, x: string, channels: number): string =>
  b.emit('ReorderOutput', [x], { channels }, blockedDomain);

/** Padding [top, left, bottom, right] that keeps the size for an odd kernel. */
const samePadding = (kh: number, kw: number): number[] => [kh >> 1, kw >> 1, kh >> 1, kw >> 1];

/** Weights turned by 180 degrees in their last two axes. */
function flipped(b: OnnxBuilder, weights: string, rank: number): string {
  return b.slice(weights, [rank - 2, rank - 1], [-1, -1], [far, far], [-1, -1]);
}

/** Depthwise convolution of `node` (operation `depthwise`). */
export function lowerDepthwise(
  context: ConvolutionContext,
  node: Tensor,
  x: string,
  w: string,
  bias?: string,
): string {
  const b = context.builder;
  const [channels, kh, kw] = node.inputs[1].shape;
  const kernel = node.attributes.flipped ? flipped(b, w, 3) : w;
  const attributes = { kernel_shape: [kh, kw], strides: [1, 1], pads: samePadding(kh, kw), group: channels };
  const operands = (image: string, filter: string): string[] =>
    bias ? [image, filter, bias] : [image, filter];
  if (!usesBlocks(context, channels)) {
    return b.emit('Conv', operands(x, b.reshape(kernel, [channels, 1, kh, kw])), attributes);
  }
  // Filter layout OIHWBo: the channels of one block are innermost.
  const grouped = b.reshape(kernel, [channels / context.block, context.block, kh * kw]);
  const filter = b.reshape(b.transpose(grouped, [0, 2, 1]), [channels, 1, kh, kw]);
  return fromBlocked(
    b,
    b.emit('Conv', operands(toBlocked(b, x), filter), attributes, blockedDomain),
    channels,
  );
}

/** Weight gradient of a depthwise convolution, [C,kh,kw]. */
export function lowerDepthwiseFilterGradient(
  context: ConvolutionContext,
  node: Tensor,
  x: string,
  dy: string,
): string {
  const b = context.builder;
  const [n, c, h, w] = node.inputs[0].shape;
  const [kh, kw] = node.attributes.kernel as readonly number[];
  const pads = samePadding(kh, kw);
  if (usesBlocks(context, c)) {
    // Every channel of every sample is one group whose "kernel" is the output gradient: the result is the kh x kw
    // window of correlations that we want.
    const image = b.reshape(toBlocked(b, x), [1, n * c, h, w]);
    const kernel = b.reshape(toBlocked(b, dy), [n * c, 1, h, w]);
    const attributes = { kernel_shape: [h, w], strides: [1, 1], pads, group: n * c };
    const correlations = b.emit('Conv', [image, kernel], attributes, blockedDomain);
    return b.sum(b.reshape(fromBlocked(b, correlations, n * c), [n, c, kh, kw]), [0]);
  }
  const padded = b.padImage(x, pads);
  const taps: string[] = [];
  for (let i = 0; i < kh; i++) {
    for (let j = 0; j < kw; j++) {
      const window = b.slice(padded, [2, 3], [i, j], [i + h, j + w]);
      taps.push(b.reshape(b.sum(b.emit('Mul', [window, dy]), [0, 2, 3]), [c, 1]));
    }
  }
  return b.reshape(b.emit('Concat', taps, { axis: 1 }), [c, kh, kw]);
}

function convAttributes(node: Tensor, kernel: readonly number[]): Record<string, readonly number[]> {
  const stride = node.attributes.stride as number;
  return {
    kernel_shape: kernel,
    strides: [stride, stride],
    pads: node.attributes.padding as readonly number[],
  };
}

export function lowerConv(b: OnnxBuilder, node: Tensor, x: string, w: string, bias?: string): string {
  return b.emit('Conv', bias ? [x, w, bias] : [x, w], convAttributes(node, node.inputs[1].shape.slice(2)));
}

/** Input gradient of a convolution: a transposed convolution that yields exactly the input's size. */
export function lowerConvInputGradient(b: OnnxBuilder, node: Tensor, dy: string, w: string): string {
  const [kh, kw] = node.inputs[1].shape.slice(2);
  const stride = node.attributes.stride as number;
  const [top, left, bottom, right] = node.attributes.padding as readonly number[];
  const [, , height, width] = node.shape;
  const [, , outHeight, outWidth] = node.inputs[0].shape;
  const attributes = {
    ...convAttributes(node, [kh, kw]),
    output_padding: [
      height - ((outHeight - 1) * stride + kh - top - bottom),
      width - ((outWidth - 1) * stride + kw - left - right),
    ],
  };
  return b.emit('ConvTranspose', [dy, w], attributes);
}

/** Weight gradient of a convolution: one matrix product per tap, [O,I,kh,kw]. */
export function lowerConvFilterGradient(b: OnnxBuilder, node: Tensor, x: string, dy: string): string {
  const [n, o, outHeight, outWidth] = node.inputs[1].shape;
  const [, i, kh, kw] = node.shape;
  const stride = node.attributes.stride as number;
  const positions = outHeight * outWidth;
  const padded = b.padImage(x, node.attributes.padding as readonly number[]);
  const flatGradient = b.reshape(dy, [n, o, positions]);
  const taps: string[] = [];
  for (let y = 0; y < kh; y++) {
    for (let z = 0; z < kw; z++) {
      const end = [y + (outHeight - 1) * stride + 1, z + (outWidth - 1) * stride + 1];
      const window = b.slice(padded, [2, 3], [y, z], end, [stride, stride]);
      const columns = b.transpose(b.reshape(window, [n, i, positions]), [0, 2, 1]);
      taps.push(b.reshape(b.sum(b.emit('MatMul', [flatGradient, columns]), [0]), [o, i, 1]));
    }
  }
  return b.reshape(b.emit('Concat', taps, { axis: 2 }), [o, i, kh, kw]);
}
