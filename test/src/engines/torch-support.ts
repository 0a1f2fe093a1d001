/** Whether this machine's Python has PyTorch, and a compiler for it: tests that need them are left out elsewhere. */
import { execFileSync, spawnSync } from 'node:child_process';

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

/** Whether there is the C++ compiler that torch asks for. */
export const compiler = spawnSync(process.env.CXX ?? 'g++', ['--version']).status === 0;
