/** The record of where and how an evaluation was made, so that somebody else can make it again. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { loadOnnxRuntime } from '../src/engines/onnxruntime.js';
import { packageRoot, packageVersion } from '../src/io/index.js';
import type { Environment } from './evaluation.js';

const run = promisify(execFile);

/** The commit of a folder's git checkout; undefined where it is none, or there is no git. */
export async function commitOf(folder: string): Promise<string | undefined> {
  if (!existsSync(join(folder, '.git'))) return undefined;
  const git = async (...args: string[]): Promise<string> =>
    (await run('git', ['-C', folder, ...args])).stdout.trim();
  try {
    const commit = await git('rev-parse', 'HEAD');
    const changed = await git('status', '--porcelain', '--untracked-files=no');
    return changed === '' ? commit : `${commit}-dirty`;
  } catch {
    return undefined;
  }
}

/** Versions of the packages that code pictures, as far as they load. */
async function packageVersions(): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  const sharp = await import('sharp').catch(() => undefined);
  const known: Readonly<Record<string, string | undefined>> = sharp?.default.versions ?? {};
  for (const name of ['sharp', 'vips', 'mozjpeg', 'webp', 'heif', 'aom']) {
    if (known[name] !== undefined) versions[name] = known[name];
  }
  const runtime = await loadOnnxRuntime().catch(() => undefined);
  const { node, common } = runtime?.env.versions ?? {};
  if (runtime) versions['onnxruntime-node'] = node ?? common ?? 'unknown';
  return versions;
}

/**
 * The environment of a run in this process.
 *
 * @param settings workers side by side, threads of each, and versions of programs in use
 * @example
 * const environment = await environmentOf({ jobs: 1, threads: 2, versions: {} });
 */
export async function environmentOf({
  jobs,
  threads,
  versions,
}: Pick<Environment, 'jobs' | 'threads' | 'versions'>): Promise<Environment> {
  const root = packageRoot();
  const commit = await commitOf(root);
  return {
    package: `trellis-codec ${packageVersion()}`,
    ...(commit === undefined ? {} : { commit }),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    jobs,
    threads,
    versions: { ...(await packageVersions()), ...versions },
  };
}
