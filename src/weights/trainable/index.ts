/** Quantizers of weights as graph operations with gradients, for training with them. */
export { hardShift, softShift } from './bit-shift.js';
export {
  type ClampedOutliers,
  clampOutliers,
  type Float4Options,
  float4Activations,
  float4Factor,
  float4Grid,
  float4Slope,
  float4Weights,
  type OutlierBounds,
  outlierBounds,
  type Ties,
} from './float4.js';
export { type LearnedStepOptions, learnedStep } from './learned-step.js';
export { paretoq } from './paretoq.js';
export { type ErrorDecay, errorDecay, signedBinary } from './signed-binary.js';
export { stochasticRound } from './stochastic.js';
