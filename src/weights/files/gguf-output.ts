/**
 * GGUF as an output. Weights take block types; rows that are no multiple of a type's block take the type that llama.cpp
 * falls back to. Tensors that are kept and have one side become F32, as programs that run these files expect; others
 * stay as they are.
 *
 * Metadata is the source's where that is a GGUF file, so that it can be run again; of other sources it is the
 * architecture and what `config.json` says, under the names of that file.
 */

import { UnsupportedError, UsageError } from '../../errors.js';
import { blockTypeOfScheme } from '../blocks/block-scheme.js';
import type { BlockType } from '../blocks/index.js';
import { type SchemeChoice, schemeOf } from '../registry.js';
import { type GgufEntry, type GgufType, ggufHeader, ggufTypes } from './gguf.js';
import type { TensorRecord } from './journal.js';
import { floatsTo, labelOf, type OutputFormat } from './output.js';

const alignment = 32;

/** Types for rows that are no multiple of 256, and of 32. */
const fallbacks: Readonly<Record<string, string>> = {
  Q2_K: 'iq4_nl',
  Q3_K: 'iq4_nl',
  IQ4_XS: 'iq4_nl',
  Q4_K: 'q5_0',
  Q5_K: 'q5_1',
  Q6_K: 'q8_0',
  TQ1_0: 'q4_0',
  TQ2_0: 'q4_0',
  Q1_0: 'q4_0',
  Q2_0: 'q4_0',
  NVFP4: 'mxfp4_gguf',
};

function blockOf(choice: SchemeChoice): BlockType {
  const block = blockTypeOfScheme(choice.scheme.name);
  if (block) return block;
  throw new UsageError(
    `gguf: expected a scheme with a GGUF type such as q8_0, q4_k, q6_k or iq4_nl, got ${choice.scheme.name}`,
  );
}

function typeNamed(name: string, tensor: string): GgufType {
  const type = ggufTypes.find((one) => one.name === name);
  if (type) return type;
  throw new UnsupportedError(`tensor ${tensor}: expected a type that GGUF has, got ${name}`);
}

/** What `general.file_type` says: the type that most bytes have. */
function fileType(records: readonly TensorRecord[]): number {
  const sizes = new Map<string, number>();
  for (const { part } of records) sizes.set(part.type, (sizes.get(part.type) ?? 0) + part.bytes);
  const [name] = [...sizes].sort((a, b) => b[1] - a[1])[0] ?? ['F32'];
  const plain: Readonly<Record<string, number>> = { F32: 0, F16: 1, BF16: 32 };
  return ggufTypes.find((type) => type.name === name)?.block?.fileType ?? plain[name] ?? 0;
}

/** `entries` with some of them replaced or added. */
function withEntries(entries: readonly GgufEntry[], changes: readonly GgufEntry[]): GgufEntry[] {
  const keys = new Set(changes.map(({ key }) => key));
  return [...entries.filter(({ key }) => !keys.has(key)), ...changes];
}

/**
 * The format.
 *
 * @param entries metadata besides alignment, file type and quantization version
 */
export function ggufOutput(entries: readonly GgufEntry[]): OutputFormat {
  return {
    name: 'gguf',
    isFolder: false,
    alignment,
    fit(tensor, choice) {
      const columns = tensor.shape.at(-1) ?? 1;
      const wanted = blockOf(choice);
      if (columns % wanted.length === 0) return choice;
      const other = fallbacks[wanted.name];
      const narrow = other === undefined ? undefined : blockTypeOfScheme(other);
      if (narrow && columns % narrow.length === 0) return { scheme: schemeOf(other), options: {} };
      throw new UsageError(
        `tensor ${tensor.name}: expected rows of a multiple of 32 for ${wanted.name}, got ${columns}; keep it with --keep`,
      );
    },
    async keep(source, tensor) {
      const { name, shape, type, bytes } = tensor;
      const flat = shape.length < 2 && (type === 'F16' || type === 'BF16');
      const known = ggufTypes.some((one) => one.name === type);
      if (flat || (!known && source.isReadable(tensor))) {
        const target = flat ? 'F32' : 'F16';
        const data = floatsTo(target, await source.readFloat32(tensor), name);
        return { part: { name, type: target, shape, bytes: data.length }, pieces: [data] };
      }
      return {
        part: { name, type: typeNamed(type, name).name, shape, bytes },
        pieces: source.pieces(tensor),
      };
    },
    code({ tensor: { name, shape }, choice, quantized }) {
      const data = choice.scheme.pack(quantized);
      const part = { name, type: blockOf(choice).name, shape, bytes: data.length };
      return { part, pieces: [data], quantization: { scheme: labelOf(choice), bits: quantized.bits } };
    },
    begin(records) {
      const metadata = withEntries(entries, [
        { key: 'general.alignment', type: 'uint32', value: alignment },
        { key: 'general.quantization_version', type: 'uint32', value: 2 },
        { key: 'general.file_type', type: 'uint32', value: fileType(records) },
      ]);
      const tensors = records.map(({ part: { name, type, shape, bytes } }) => ({
        name,
        shape,
        type: typeNamed(type, name),
        bytes,
      }));
      return ggufHeader(metadata, tensors, alignment);
    },
    end: () => new Uint8Array(0),
  };
}

/**
 * Metadata for a source that is no GGUF file, from the text of its `config.json`: the architecture, and every number,
 * string and boolean under `ARCHITECTURE.config.KEY`.
 *
 * @param config parsed JSON, or undefined where there is none
 */
export function entriesFromConfig(config: unknown, name: string): GgufEntry[] {
  const fields = typeof config === 'object' && config !== null ? Object.entries(config) : [];
  const found = fields.find(([key]) => key === 'model_type')?.[1];
  const architecture = typeof found === 'string' && /^[\w-]+$/.test(found) ? found : 'unknown';
  const entries: GgufEntry[] = [
    { key: 'general.architecture', type: 'string', value: architecture },
    { key: 'general.name', type: 'string', value: name },
  ];
  for (const [field, value] of fields) {
    const key = `${architecture}.config.${field}`;
    if (typeof value === 'string') entries.push({ key, type: 'string', value });
    if (typeof value === 'boolean') entries.push({ key, type: 'bool', value });
    if (typeof value === 'number') {
      const whole = Number.isInteger(value) && value >= 0 && value < 2 ** 32;
      entries.push({ key, type: whole ? 'uint32' : 'float64', value });
    }
  }
  return entries;
}
