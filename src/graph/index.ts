/** Public face of the tensor graph. */
export * from './gradients.js';
export * from './graph.js';
export * from './operations.js';
export * from './shape.js';
