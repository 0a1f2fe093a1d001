/** Public face of the exact engine. */
export { compileExact, type ExactProgram } from './engine.js';
export { runReference } from './reference.js';
export { loadKernels } from './wasm.js';
export { defaultExactOptions, type ExactOptions, ExactWeights } from './weights.js';
