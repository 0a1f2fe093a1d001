/**
 * Trellis-coded weights: dependent quantization with adaptive arithmetic coding (NNR), and fixed-rate trellis codes
 * (QTIP).
 *
 *     weights -> search -> levels -> arithmetic coder -> stream              entropy-coded-scheme.ts
 *     weights -> random Hadamard transform -> search -> rings of codes       bitshift-scheme.ts
 */
import { bitshiftSchemes } from './bitshift-scheme.js';
import { entropyCodedSchemes } from './entropy-coded-scheme.js';

export { decodeLevels, encodeLevels, type LevelOptions } from './levels.js';
export { stepOfParameter } from './step-size.js';

/** The schemes of this folder, in the order of tables. */
export const trellisCodedSchemes = [...entropyCodedSchemes, ...bitshiftSchemes] as const;
