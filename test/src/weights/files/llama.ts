/**
 * Checkpoints with the tensors of a Llama, of any size: sharded safetensors in bf16 with seeded normal weights, written in
 * pieces, so that files larger than memory can be made.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GrowingFile } from '../../../../src/io/byte-file.js';
import { float32ToBfloat16 } from '../../../../src/io/half.js';
import { safetensorsHeader } from '../../../../src/io/safetensors.js';

export interface LlamaSize {
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly vocabulary: number;
  /** Rows of the key and value projections. */
  readonly keyValue: number;
  readonly shards: number;
  readonly seed: number;
}

/** A few megabytes. */
export const smallLlama: LlamaSize = {
  hidden: 256,
  intermediate: 512,
  layers: 2,
  vocabulary: 300,
  keyValue: 64,
  shards: 2,
  seed: 1,
};

/** Names and shapes in the order of the files. */
export function llamaTensors({ hidden, intermediate, layers, vocabulary, keyValue }: LlamaSize) {
  const tensors: { name: string; shape: readonly number[] }[] = [];
  const add = (name: string, ...shape: number[]) => tensors.push({ name: `${name}.weight`, shape });
  add('model.embed_tokens', vocabulary, hidden);
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}`;
    add(`${prefix}.self_attn.q_proj`, hidden, hidden);
    add(`${prefix}.self_attn.k_proj`, keyValue, hidden);
    add(`${prefix}.self_attn.v_proj`, keyValue, hidden);
    add(`${prefix}.self_attn.o_proj`, hidden, hidden);
    add(`${prefix}.mlp.gate_proj`, intermediate, hidden);
    add(`${prefix}.mlp.up_proj`, intermediate, hidden);
    add(`${prefix}.mlp.down_proj`, hidden, intermediate);
    add(`${prefix}.input_layernorm`, hidden);
    add(`${prefix}.post_attention_layernorm`, hidden);
  }
  add('model.norm', hidden);
  add('lm_head', vocabulary, hidden);
  return tensors;
}

/** Random bf16 numbers: a table of normal ones, read at places of a linear congruential generator. */
class Numbers {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return this.#state;
  }

  table(deviation: number, mean: number): Uint16Array {
    const values = Float32Array.from({ length: 1 << 16 }, () => {
      const radius = Math.sqrt(-2 * Math.log((this.next() + 0.5) / 2 ** 32));
      return mean + deviation * radius * Math.cos((2 * Math.PI * this.next()) / 2 ** 32);
    });
    return float32ToBfloat16(values);
  }

  fill(out: Uint16Array, table: Uint16Array): void {
    let state = this.#state;
    for (let i = 0; i < out.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      out[i] = table[state >>> 16];
    }
    this.#state = state;
  }
}

/**
 * Writes a checkpoint into a folder, with config.json.
 * @returns bytes of all weights
 */
export async function writeLlama(folder: string, size: LlamaSize): Promise<number> {
  await mkdir(folder, { recursive: true });
  const config = {
    model_type: 'llama',
    hidden_size: size.hidden,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const tensors = llamaTensors(size).map(({ name, shape }) => ({
    name,
    shape,
    dtype: 'BF16',
    bytes: 2 * shape.reduce((product, side) => product * side, 1),
  }));
  const numbers = new Numbers(size.seed);
  const total = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  const map: Record<string, string> = {};
  const piece = new Uint16Array(1 << 20);
  let next = 0;
  let written = 0;
  for (let shard = 1; shard <= size.shards; shard++) {
    const own: typeof tensors = [];
    while (next < tensors.length && (shard === size.shards || written < (shard / size.shards) * total)) {
      own.push(tensors[next]);
      written += tensors[next++].bytes;
    }
    const five = (number: number): string => String(number).padStart(5, '0');
    const file = `model-${five(shard)}-of-${five(size.shards)}.safetensors`;
    const out = await GrowingFile.create(join(folder, file));
    await out.write(safetensorsHeader(own, { format: 'pt' }));
    for (const { name, shape, bytes } of own) {
      map[name] = file;
      const table = shape.length === 1 ? numbers.table(0.05, 1) : numbers.table(0.02, 0);
      for (let at = 0; at < bytes / 2; at += piece.length) {
        const part = piece.subarray(0, Math.min(piece.length, bytes / 2 - at));
        numbers.fill(part, table);
        await out.write(new Uint8Array(part.buffer, 0, part.byteLength));
      }
    }
    await out.finish();
  }
  const index = { metadata: { total_size: total }, weight_map: map };
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
  return total;
}
