import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as api from '../../src/index.js';
import { packageRoot } from '../../src/io/index.js';

describe('the public API', () => {
  it('codes a picture with a loaded model', async () => {
    const model = await api.loadModel(readFileSync(join(packageRoot(), 'test/golden/tiny.safetensors')));
    const image = api.createImage(3, 2, 3, new Uint8Array(18).fill(200));
    const bytes = await api.encode(image, { model, engine: 'wasm', quality: 80 });
    const info = api.readInfo(bytes);
    expect(info.status === 'ok' && info.header).toMatchObject({ width: 3, height: 2, quality: 80 });
    const decoded = await api.decode(bytes, { model, engine: 'wasm' });
    expect(api.psnr(decoded, image)).toBeGreaterThan(20);
    const error = await api.decode(bytes.subarray(0, 40), { model }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(api.CodecError);
  });

  it('names what it can do, and its defaults are among that', async () => {
    expect(await api.bundledModels()).toContain(api.defaultModelName);
    expect(api.engineNames).toContain(api.defaultEncodeOptions.engine);
    expect(api.engineNames).toContain(api.defaultDecodeOptions.engine);
    expect(api.quantizerNames).toContain(api.efforts[api.defaultEncodeOptions.effort - 1].quantizer);
    expect(api.defaultEncodeOptions.model).toBe(api.defaultModelName);
    expect(api.imageFormats).toContain('png');
    expect(api.fileExtension).toMatch(/^\.\w+$/);
    expect(api.mimeType).toMatch(/^image\/[\w.-]+$/);
  });

  it('names the quantizer of a file', async () => {
    const model = await api.loadModel(readFileSync(join(packageRoot(), 'test/golden/tiny.safetensors')));
    const image = api.createImage(2, 2, 3, new Uint8Array(12).fill(90));
    for (const quantizer of api.quantizerNames) {
      const info = api.readInfo(await api.encode(image, { model, engine: 'wasm', quantizer }));
      expect(info.status === 'ok' && api.quantizerName(info.header.quantizer)).toBe(quantizer);
    }
  });
});
