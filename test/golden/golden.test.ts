/**
 * Golden files: .tlc files that every future version must decode to the same latents, and to the same pixels with the
 * wasm engine; and that the encoder reproduces byte by byte.
 *
 * A failure here means that files people have stored decode to something else (a format break), or that the encoder's
 * choices changed (harmless, but to be done on purpose). To regenerate the files after a wanted change:
 *
 *     GOLDEN_UPDATE=1 npx vitest run test/golden
 *
 * then look at `git diff --stat test/golden`: only files whose change was wanted may differ, and a change of `latents`
 * or `pixels` of a file whose bytes stay the same is never wanted. Files of removed cases are deleted by hand.
 */
import { createHash } from 'node:crypto';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeWithReport } from '../../codec/decode.js';
import { encode } from '../../codec/encode.js';
import type { ParsedModel } from '../../codec/model/model-file.js';
import { quantizerNames } from '../../codec/quantizers/registry.js';
import {
  coveredQuantizers,
  type GoldenChecksums,
  goldenCases,
  goldenFolder,
  hexChecksum,
  readGolden,
  readRecord,
  tinyModel,
  tinyModelWithContexts,
} from './cases.js';
import { largestDifference } from './pictures.js';

const update = process.env.GOLDEN_UPDATE === '1';
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let model: ParsedModel;
let withContexts: ParsedModel;

beforeAll(async () => {
  model = await tinyModel();
  withContexts = await tinyModelWithContexts();
  if (!update) return;
  const files: Record<string, GoldenChecksums> = {};
  for (const { name, image, options, contexts } of goldenCases) {
    const own = contexts ? withContexts : model;
    const bytes = await encode(image(), { ...options, model: own });
    writeFileSync(new URL(name, goldenFolder), bytes);
    const decoded = await decodeWithReport(bytes, { model: own, engine: 'wasm' });
    files[name] = { latents: hexChecksum(decoded), pixels: sha256(decoded.image.data) };
  }
  const record = `${JSON.stringify({ model: model.id, modelWithContexts: withContexts.id, files }, undefined, 2)}\n`;
  writeFileSync(new URL('checksums.json', goldenFolder), record);
}, 300_000);

describe('the golden set', () => {
  it('was made with the model that lies beside it', () => {
    expect(model.id).toBe(readRecord().model);
    expect(withContexts.id).toBe(readRecord().modelWithContexts);
  });

  it('has one file and one record per case, and no others', () => {
    const names = goldenCases.map(({ name }) => name).sort();
    expect(new Set(names).size).toBe(names.length);
    const present = readdirSync(goldenFolder).filter((name) => name.endsWith('.tlc'));
    expect(present.sort()).toEqual(names);
    expect(Object.keys(readRecord().files).sort()).toEqual(names);
  });

  it('stays small', () => {
    const total = goldenCases.reduce((sum, { name }) => sum + statSync(new URL(name, goldenFolder)).size, 0);
    expect(total).toBeLessThan(300_000);
  });

  it('covers every quantizer', () => {
    expect(quantizerNames.filter((name) => !coveredQuantizers.has(name))).toEqual([]);
  });
});

describe.each(goldenCases)('$name', ({ name, image, options, contexts }) => {
  const own = (): ParsedModel => (contexts ? withContexts : model);

  it('decodes to the recorded latents and, with wasm, to the recorded pixels', async () => {
    const expected = readRecord().files[name];
    // Decoding compares the latents it arrives at with the checksums in the file.
    const decoded = await decodeWithReport(readGolden(name), { model: own(), engine: 'wasm' });
    expect(hexChecksum(decoded)).toBe(expected.latents);
    expect(sha256(decoded.image.data)).toBe(expected.pixels);
    const { metadata, width, height, channels } = image();
    expect(decoded.image).toMatchObject({ width, height, channels });
    expect(decoded.image.metadata).toEqual(metadata);
  });

  it('decodes within one grey level with onnxruntime', async () => {
    const reference = (await decodeWithReport(readGolden(name), { model: own(), engine: 'wasm' })).image;
    const decoded = await decodeWithReport(readGolden(name), {
      model: own(),
      engine: 'onnxruntime',
      threads: 1,
    });
    expect(hexChecksum(decoded)).toBe(readRecord().files[name].latents);
    expect(largestDifference(decoded.image, reference)).toBeLessThanOrEqual(1);
  });

  it('is what the encoder makes of its picture', async () => {
    const bytes = await encode(image(), { ...options, model: own() });
    expect(bytes).toEqual(readGolden(name));
  });
});
