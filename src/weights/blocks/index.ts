/**
 * All block types of GGUF that this package encodes and decodes, plain floats apart.
 * The types with published grids (IQ1 to IQ3) are not among them.
 */

import type { BlockType } from './block-type.js';
import { q4_0, q4_1, q5_0, q5_1, q8_0 } from './classic.js';
import { iq4_nl, iq4_xs, mxfp4, nvfp4 } from './codebook.js';
import { q2_k, q4_k, q5_k } from './k-affine.js';
import { q3_k, q6_k } from './k-signed.js';
import { q1_0, q2_0, tq1_0, tq2_0 } from './ternary.js';

export type { BlockType } from './block-type.js';

export const blockTypes: readonly BlockType[] = Object.freeze([
  q8_0,
  q6_k,
  q5_k,
  q5_1,
  q5_0,
  q4_k,
  q4_1,
  q4_0,
  iq4_nl,
  iq4_xs,
  mxfp4,
  nvfp4,
  q3_k,
  q2_k,
  q2_0,
  tq2_0,
  tq1_0,
  q1_0,
]);
