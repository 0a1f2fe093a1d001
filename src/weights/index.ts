/**
 * Quantizers of network weights (`trellis-codec/weights`): one interface, many schemes.
 *
 *     weights -> Scheme.quantize -> codes and parameters -> Scheme.pack -> bytes
 *     bytes -> Scheme.unpack -> codes and parameters -> Scheme.dequantize -> weights
 *
 * registry.ts names the schemes, filter.ts says which tensor takes which, report.ts what came of it. files/ reads and writes
 * checkpoints (Node only).
 */

export type { Checkpoint, StoredTensor } from './files/checkpoint.js';
export { type Comparison, compareCheckpoints } from './files/compare.js';
export { ggufOutput } from './files/gguf-output.js';
export { openCheckpoint } from './files/open.js';
export { type OutputFormat, safetensorsOutput, tlwOutput } from './files/output.js';
export { type PlannedTensor, planTensors } from './files/plan.js';
export { type QuantizeOptions, type QuantizeResult, quantizeCheckpoint } from './files/quantize.js';
export { meetTarget } from './files/target-rate.js';
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
export { decodeLevels, encodeLevels, type LevelOptions, stepOfParameter } from './trellis-coded/index.js';
