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
});
