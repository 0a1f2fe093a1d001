/** Whether this machine's Python has PyTorch: tests that need it are left out elsewhere. */
import { execFileSync } from 'node:child_process';

function reasonToSkip(): string | undefined {
  try {
    execFileSync('python3', ['-c', 'import torch, numpy'], { stdio: ['ignore', 'ignore', 'pipe'] });
    return undefined;
  } catch (error) {
    const { stderr, message } = error as { stderr?: Buffer; message: string };
    return stderr?.toString().trim().split('\n').at(-1) || message;
  }
}

/** Why torch cannot be used; undefined where it can. */
export const missingTorch = reasonToSkip();
if (missingTorch) console.warn(`torch: tests left out, ${missingTorch}`);
