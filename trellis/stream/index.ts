/**
 * Levels of trellis-coded quantization as bytes: adaptive binary arithmetic coding with the
 * syntax of NNR (ISO/IEC 15938-17), for whatever was quantized with the machine `nnc8`.
 */
export { decodeLevels, encodeLevels, type LevelOptions } from './levels.js';
export { decodeLevelsFast } from './levels-kernel.js';
export {
  joinedLength,
  joinStep,
  readSteppedLevels,
  type SteppedLevels,
  valuesOfLevels,
} from './valued-stream.js';
