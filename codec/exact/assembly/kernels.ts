/**
 * Entry of the WebAssembly kernels (AssemblyScript): float32, fixed-width SIMD, raw pointers, no allocation.
 *
 * Invariants of all kernels: every output value is computed by one fixed sequence of IEEE-754 single operations
 * that does not depend on picture size, position, block sizes or lanes; products and sums are rounded separately
 * (no fused multiply-add). Results are therefore equal in all bits on every machine, NaN payloads aside.
 * Pointers are byte addresses of dense row-major float32 data, 4-byte aligned. Readable twin: ../reference.ts.
 */
export { conv, packMatrix, panelSize, pointwise } from './matrix';
export { depthwise, planeSize } from './depthwise';
export {
  abs,
  add,
  broadcast,
  div,
  leakyRelu,
  leakyReluGradient,
  max,
  min,
  mul,
  neg,
  round,
  sqrt,
  square,
  sub,
} from './elementwise';
export { copy, depthToSpace, spaceToDepth } from './layout';
