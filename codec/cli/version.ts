/** What `codec --version` prints, and which engines this installation has. */
import { loadOnnxRuntime } from '../../src/engines/onnxruntime.js';
import { UnsupportedError } from '../../src/errors.js';
import { packageVersion } from '../../src/io/index.js';
import type { EngineName } from '../transform-engine.js';

/** Engines that load here, the fastest first, with their versions where they have one. */
export async function availableEngines(): Promise<{ name: Exclude<EngineName, 'auto'>; version?: string }[]> {
  try {
    const { env } = await loadOnnxRuntime();
    return [{ name: 'onnxruntime', version: env.versions.node ?? env.versions.common }, { name: 'wasm' }];
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    return [{ name: 'wasm' }];
  }
}

export async function versionText(): Promise<string> {
  const engines = (await availableEngines()).map(({ name, version }) => `${name} ${version ?? ''}`.trim());
  return [
    `trellis-codec ${packageVersion()}`,
    `node ${process.version}, ${process.platform} ${process.arch}`,
    `engines: ${engines.join(', ')}`,
  ].join('\n');
}
