/**
 * Entropy coding: integers in, bytes out, the same on every machine. Files used while coding (rans, tables, escape)
 * hold integers only; those that build tables (gaussian-tables, measured-tables, erfc, quantize-frequencies) use
 * floats and run before a model is shipped; costs serve the encoder's search. Imports nothing but src/errors.
 */
export { erfc, normalTail, roundedNormalProbability } from './erfc.js';
export { type BitSink, type BitSource, escapeBits, getEscape, putEscape } from './escape.js';
export { gaussianTables, scaleTable } from './gaussian-tables.js';
export {
  contextCount,
  gatherKnown,
  type HyperContexts,
  type HyperLatentSpace,
  visitHyperLatents,
  visitPredictions,
} from './hyper-contexts.js';
export {
  type CountOptions,
  countSymbols,
  defaultCountOptions,
  symmetricTables,
  tablesFromCounts,
  tablesFromProbabilities,
  trimProbabilities,
} from './measured-tables.js';
export { quantizeFrequencies, symmetrise } from './quantize-frequencies.js';
export { RansDecoder, RansEncoder, type TableIndices, type TableMachine } from './rans.js';
export { FREQUENCY_TOTAL, type FrequencyTable, TableSet, type TableTensors } from './tables.js';
