/** The embedded binary: what its sources give, and nothing that depends on the machine. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { loadKernels } from '../../../codec/exact/index.js';
import { instantiateKernels, kernelBytes } from '../../../codec/exact/wasm.js';

const script = fileURLToPath(new URL('../../../scripts/build-wasm.mjs', import.meta.url));

/** Position of the first relaxed SIMD opcode: prefix 0xfd, then a LEB128 number from 0x100 to 0x1ff. */
function relaxedOpcode(bytes: Uint8Array): number {
  return bytes.findIndex(
    (byte, k) => byte === 0xfd && bytes[k + 1] >= 0x80 && (bytes[k + 2] === 2 || bytes[k + 2] === 3),
  );
}

describe('kernels.wasm.ts', () => {
  it('is what the sources give', async () => {
    await promisify(execFile)(process.execPath, [script, '--check']);
  });

  it('has no relaxed SIMD', () => {
    expect(relaxedOpcode(kernelBytes())).toBe(-1);
    // f32x4.relaxed_madd (0x105), so that the search is known to find one.
    expect(relaxedOpcode(Uint8Array.of(0x20, 0xfd, 0x85, 0x02))).toBe(1);
  });

  it('imports a memory and nothing else', () => {
    const imports = WebAssembly.Module.imports(new WebAssembly.Module(kernelBytes()));
    expect(imports).toEqual([{ module: 'env', name: 'memory', kind: 'memory' }]);
  });

  it('loads asynchronously too', async () => {
    await loadKernels();
    expect(typeof instantiateKernels(new WebAssembly.Memory({ initial: 1 })).pointwise).toBe('function');
  });
});
