/** Everything of a quantizer fitted at once: tables, then offsets that were measured with those tables; rounding has none. */
import { expect, it } from 'vitest';
import { coderOf } from '../../../codec/coder.js';
import { quantizationOf } from '../../../codec/quantizers/registry.js';
import { fitOffsets } from '../../../src/training/fit-offsets.js';
import { fitQuantization, fitSet } from '../../../src/training/fit-quantization.js';
import { analysePicture, fitTables } from '../../../src/training/fit-tables.js';
import { tinyModel } from '../../golden/cases.js';
import { picture } from '../../golden/pictures.js';

it('fits tables first and offsets to what the quantizer then does', async () => {
  const coder = await coderOf(await tinyModel(), 'wasm', 1);
  const pictures = [await analysePicture(coder, picture('mixed', 128, 128), 60)];
  const set = fitSet(coder.entropy, coder.model, pictures);
  for (const name of ['rdoq', 'tcq8']) {
    const own = quantizationOf(coder.model, name);
    const fitted = fitQuantization(coder.entropy, own, set, { rounds: 1 });
    const tables = fitTables(coder.entropy, own, pictures, { rounds: 1 });
    expect(fitted.tables.toTensors()).toEqual(tables.tables.toTensors());
    expect(fitted.offsets).toEqual(fitOffsets(coder.entropy, tables, set.expected, pictures).offsets);
    expect(fitted).toMatchObject({ step: own.step, lagrangian: own.lagrangian });
  }
  const round = quantizationOf(coder.model, 'round');
  const moved = { ...round, step: Math.fround(0.8), offsets: round.offsets.map(() => 1) };
  const { offsets } = fitQuantization(coder.entropy, moved, set);
  expect(offsets).toEqual(new Float32Array(offsets.length));
});
