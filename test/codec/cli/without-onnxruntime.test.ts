import { describe, expect, it, vi } from 'vitest';
import { fails, model, picture, temporaryFolder, works } from './support.js';

vi.mock('onnxruntime-node', () => {
  throw new Error("Cannot find package 'onnxruntime-node'");
});

const { path, png } = temporaryFolder();

describe('an installation without onnxruntime-node', () => {
  it('codes on the engine wasm and says what is there', async () => {
    const input = await png('a.png', picture(64, 64));
    const { out } = await works(['encode', input, '--json', '-m', model]);
    expect(JSON.parse(out).engine).toBe('wasm');
    await works(['decode', path('a.tlc'), path('b.png'), '-m', model]);
    expect((await works(['-V'])).out).toMatch(/engines: wasm$/m);
    expect((await works(['bench', input, '--runs', '1', '-m', model])).out).not.toContain('onnxruntime');
  });

  it('says what to install where the package is needed', async () => {
    const input = await png('a.png', picture(64, 64));
    await fails(['encode', input, '-m', model, '--engine', 'onnxruntime'], /npm install onnxruntime-node/);
    await fails(['train', '--images', path(), '--out', path('run')], /npm install onnxruntime-node/);
  });
});
