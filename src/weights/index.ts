/**
 * Quantizers of network weights (`trellis-codec/weights`): one interface, many schemes.
 *
 *     weights -> Scheme.quantize -> codes and parameters -> Scheme.pack -> bytes
 *     bytes -> Scheme.unpack -> codes and parameters -> Scheme.dequantize -> weights
 *
 * registry.ts names the schemes, filter.ts says which tensor takes which, report.ts what came of it.
 */
export {
  choose,
  defaultKeep,
  type FilterRule,
  isKept,
  parseRule,
} from './filter.js';
export { type ConvolutionPatches, SecondMoments } from './hessian.js';
export {
  parseScheme,
  type SchemeChoice,
  schemeNames,
  schemeOf,
  schemes,
} from './registry.js';
export {
  type Distortion,
  distortionOf,
  measureScheme,
  type QuantizationReport,
  reportOf,
} from './report.js';
export type { Granularity, QuantizedTensor, Scheme, SchemeOptions, WeightTensor } from './scheme.js';
export { type DirectGrid, directGrid, roundStochastically, stepOnGrid } from './schemes/direct.js';
export { type SignedBinaryCost, signedBinaryCost } from './signed-binary-cost.js';
export * from './trainable/index.js';
