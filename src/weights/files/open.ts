/** Opens whatever holds weights: by the first bytes of a file, or as a folder of shards. */

import { stat } from 'node:fs/promises';
import { ByteFile } from '../../io/byte-file.js';
import type { Checkpoint } from './checkpoint.js';
import { openGguf } from './gguf-checkpoint.js';
import { openSafetensors } from './safetensors-checkpoint.js';
import { tlwSignature } from './tlw.js';
import { openTlw } from './tlw-checkpoint.js';

/**
 * Opens a .safetensors file, a folder of them or its index, a .gguf file or a .tlw file.
 *
 * @throws UsageError where there is nothing, FormatError where it is none of these
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const state = await stat(path).catch(() => undefined);
  if (state?.isDirectory()) return openSafetensors(path);
  const file = await ByteFile.open(path);
  let start: Uint8Array;
  try {
    start = await file.read(0, Math.min(4, file.size));
  } finally {
    await file.close();
  }
  if (new TextDecoder().decode(start) === 'GGUF') return openGguf(path);
  if (start.length === 4 && start.every((byte, i) => byte === tlwSignature[i])) return openTlw(path);
  return openSafetensors(path);
}
