/**
 * Finds and loads models: a bundled one by name, a file by path, or bytes. Loaded models are kept by source, because
 * unpacking weights and compiling takes longer than coding a small picture.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../../src/errors.js';
import { packageRoot, readFileOrStdin } from '../../src/io/files.js';
import { coderSpecs } from '../networks/coder-graphs.js';
import { type ParsedModel, parseModel } from './model-file.js';

export const defaultModelName = 'base';

const suffix = '.safetensors';
const bundledFolder = (): string => join(packageRoot(), 'codec', 'models');

/** Names of the bundled models. */
export async function bundledModels(): Promise<string[]> {
  const names = await readdir(bundledFolder()).catch(() => []);
  return names.filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length));
}

const loaded = new Map<string, Promise<ParsedModel>>();

/**
 * A model by bundled name, by path of a model file (anything with a slash or ending in .safetensors), or from bytes.
 *
 * @throws UsageError where no such model or file exists, FormatError where the file is no model.
 * @example
 * const model = await loadModel('base');
 */
export async function loadModel(source: string | Uint8Array = defaultModelName): Promise<ParsedModel> {
  if (typeof source !== 'string') return parseModel(source, coderSpecs);
  const isPath = source.endsWith(suffix) || source.includes('/') || source.includes('\\');
  if (!isPath) {
    const names = await bundledModels();
    if (!names.includes(source)) {
      throw new UsageError(
        `model: expected ${[...names, `a path to a ${suffix} file`].join(' or ')}, got ${source}`,
      );
    }
  }
  const path = isPath ? source : join(bundledFolder(), source + suffix);
  let model = loaded.get(path);
  if (!model) {
    model = readFileOrStdin(path).then((bytes) => parseModel(bytes, coderSpecs));
    loaded.set(path, model);
    // A failed load must not stay: the file may be there the next time.
    model.catch(() => loaded.delete(path));
  }
  return model;
}
