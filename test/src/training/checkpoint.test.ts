/** Checkpoints: everything of a run comes back bit for bit; the half-precision form keeps what it says. */
import { readdirSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { networkConfigs } from '../../../codec/networks/config.js';
import { FormatError, UsageError } from '../../../src/errors.js';
import { writeFileAtomic } from '../../../src/io/files.js';
import { float16ToFloat32, float32ToFloat16 } from '../../../src/io/half.js';
import { serializeSafetensors } from '../../../src/io/safetensors.js';
import {
  type Checkpoint,
  loadCheckpoint,
  saveCheckpoint,
  withOptions,
} from '../../../src/training/checkpoint.js';
import { initialWeights } from '../../../src/training/initial-weights.js';
import { slotName, slots } from '../../../src/training/optimizer.js';
import { Random } from '../../../src/training/random.js';
import { parameterSpecs } from '../../../src/training/train.js';
import { initialState } from '../../../src/training/trainer.js';
import { runOptions, type Workplace, workplace } from './support.js';

const config = networkConfigs.tiny;
const specs = parameterSpecs(config);

let place: Workplace;
let checkpoint: Checkpoint;

beforeAll(() => {
  place = workplace(0);
  const state = initialState(initialWeights(specs, config, 1));
  for (const [key, values] of state) {
    const random = Random.of(1, key.length);
    if (key.includes(':')) for (let k = 0; k < values.length; k++) values[k] = 1e-3 * random.normal();
  }
  checkpoint = { config, options: runOptions, step: 1234, state };
});
afterAll(() => place.remove());

describe('a checkpoint', () => {
  it('comes back bit for bit', async () => {
    const path = place.path('full.safetensors');
    await saveCheckpoint(path, checkpoint, specs);
    const loaded = await loadCheckpoint(path);
    expect(loaded).toMatchObject({ config, options: runOptions, step: 1234 });
    expect([...loaded.state.keys()].sort()).toEqual([...checkpoint.state.keys()].sort());
    for (const [key, values] of checkpoint.state) {
      expect(
        Buffer.compare(Buffer.from(values.buffer), Buffer.from(loaded.state.get(key)!.buffer)),
        key,
      ).toBe(0);
    }
  });

  it('keeps what an optimizer has beside the slots, for that optimizer, and not in half precision', async () => {
    const path = place.path('own.safetensors');
    const own = Float32Array.of(1, 2, 3);
    const options = { ...runOptions, optimizer: 'soap' } as const;
    const soap = { ...checkpoint, options, state: new Map([...checkpoint.state, ['soap:age', own]]) };
    await saveCheckpoint(path, soap, specs);
    const loaded = await loadCheckpoint(path);
    expect(loaded.options.optimizer).toBe('soap');
    expect(loaded.state.get('soap:age')).toEqual(own);
    expect(withOptions(loaded, { ...options, steps: 9 }).state).toBe(loaded.state);
    const adam = withOptions(loaded, runOptions);
    expect([...adam.state.keys()].sort()).toEqual([...checkpoint.state.keys()].sort());
    await saveCheckpoint(path, soap, specs, true);
    expect((await loadCheckpoint(path)).state.has('soap:age')).toBe(false);
  });

  it('was made by Adam where it does not say by what', async () => {
    const path = place.path('old.safetensors');
    const { optimizer, ...old } = runOptions;
    await saveCheckpoint(path, { ...checkpoint, options: old as typeof runOptions }, specs);
    expect((await loadCheckpoint(path)).options).toEqual({ ...old, optimizer });
    expect(optimizer).toBe('adam');
  });

  it('is replaced as a whole and leaves no temporary files', async () => {
    const path = place.path('replaced.safetensors');
    await saveCheckpoint(path, checkpoint, specs);
    await saveCheckpoint(path, { ...checkpoint, step: 1235 }, specs);
    expect((await loadCheckpoint(path)).step).toBe(1235);
    expect(readdirSync(place.folder).filter((name) => name.includes('tmp'))).toEqual([]);
  });

  it('holds memory of its own: the state loaded can be trained on', async () => {
    const path = place.path('own.safetensors');
    await saveCheckpoint(path, checkpoint, specs);
    const [first, second] = [await loadCheckpoint(path), await loadCheckpoint(path)];
    const key = 'analysis.in.weight';
    first.state.get(key)!.fill(0);
    expect(second.state.get(key)).toEqual(checkpoint.state.get(key));
  });
});

describe('a checkpoint in half precision', () => {
  it('keeps weights and average in 16 bits, and starts the moments at zero', async () => {
    const [full, half] = [place.path('size.safetensors'), place.path('half.safetensors')];
    await saveCheckpoint(full, checkpoint, specs);
    await saveCheckpoint(half, checkpoint, specs, true);
    expect(statSync(half).size).toBeLessThan(0.3 * statSync(full).size);
    const { state, step } = await loadCheckpoint(half);
    expect(step).toBe(1234);
    for (const name of specs.keys()) {
      for (const slot of slots) {
        const key = slotName(slot, name);
        const original = checkpoint.state.get(key)!;
        const kept = slot === 'w' || slot === 'ema';
        const expected = kept
          ? float16ToFloat32(float32ToFloat16(original))
          : new Float32Array(original.length);
        expect(state.get(key), key).toEqual(expected);
      }
    }
  });
});

describe('loadCheckpoint refuses', () => {
  it('missing files', async () => {
    await expect(loadCheckpoint(place.path('missing'))).rejects.toBeInstanceOf(UsageError);
  });

  it.each([
    ['other safetensors files', serializeSafetensors(new Map(), { kind: 'something else' })],
    ['files without kind', serializeSafetensors(new Map())],
    ['files that are no safetensors', Uint8Array.of(1, 2, 3)],
    [
      'checkpoints whose metadata is no JSON',
      serializeSafetensors(new Map(), {
        kind: 'trellis-codec training checkpoint 1',
        config: '{',
        step: '1',
      }),
    ],
    [
      'checkpoints without a step',
      serializeSafetensors(new Map(), {
        kind: 'trellis-codec training checkpoint 1',
        config: JSON.stringify(config),
        options: JSON.stringify(runOptions),
      }),
    ],
  ])('%s', async (_, bytes) => {
    const path = place.path('other.safetensors');
    await writeFileAtomic(path, bytes);
    await expect(loadCheckpoint(path)).rejects.toBeInstanceOf(FormatError);
  });
});
