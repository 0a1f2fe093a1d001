/** Evaluation of a codec whose own weights are quantized: where src/weights and the codec meet. */
export * from './calibrate.js';
export * from './pack-model.js';
export * from './quantized-weights.js';
export * from './sensitivity.js';
export * from './summary.js';
export * from './weights-file.js';
