/** Public face of evaluation (`trellis-codec/eval`): metrics, BD-rate, published anchors, codecs to compare. */

export * from '../src/metrics/psnr.js';
export * from './anchors.js';
export * from './bd-rate.js';
export * from './codecs.js';
export * from './competitors.js';
export * from './estimate.js';
export * from './measure.js';
export * from './metrics/ms-ssim.js';
