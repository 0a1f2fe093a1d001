/**
 * A training run that goes on as a larger network: parameters that both have are kept, with their moments and averages,
 * and new ones start as they do in a run of their own. New blocks end in zeros (codec/networks/layers.ts), so they are the
 * identity and the larger network computes what the smaller one did; function-preserving growth, as in Net2Net (Chen et
 * al., ICLR 2016). What an optimizer keeps for itself (SOAP's bases) is left behind, and the rate warms up again.
 */
import type { NetworkConfig } from '../../codec/networks/config.js';
import { UsageError } from '../errors.js';
import { sizeOf } from '../graph/index.js';
import type { Checkpoint } from './checkpoint.js';
import { initialWeights } from './initial-weights.js';
import { slotName, slots } from './optimizer.js';
import { parameterSpecs } from './train.js';
import { initialState, type TrainingState } from './trainer.js';

/**
 * The checkpoint as one of `config`, at the same step.
 * @throws UsageError where a parameter of the run has another size in `config`, or none: only blocks can be added.
 *
 * @example
 * grow(await loadCheckpoint('runs/base/checkpoint.safetensors'), networkConfigs.base);
 */
export function grow(checkpoint: Checkpoint, config: NetworkConfig): Checkpoint {
  const specs = parameterSpecs(config);
  const state: TrainingState = initialState(initialWeights(specs, config, checkpoint.options.seed));
  for (const name of parameterSpecs(checkpoint.config).keys()) {
    const shape = specs.get(name)?.shape;
    const own = checkpoint.state.get(name)!;
    if (!shape || sizeOf(shape) !== own.length) {
      throw new UsageError(
        `grow: expected ${config.name} to have the ${own.length} values of ${name}, got ${shape ? sizeOf(shape) : 'none'}`,
      );
    }
    for (const slot of slots) state.set(slotName(slot, name), checkpoint.state.get(slotName(slot, name))!);
  }
  const options = { ...checkpoint.options, restart: checkpoint.step };
  return { ...checkpoint, config, options, state };
}
