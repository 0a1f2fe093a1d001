import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  fillCommand,
  isInstalled,
  programVersion,
  runCommand,
  splitCommand,
  withTemporaryFolder,
} from '../../eval/command.js';
import { UnsupportedError, UsageError } from '../../src/errors.js';

const node = (script: string): string[] => [process.execPath, '-e', script];

describe('splitCommand', () => {
  it.each([
    ['a b  c', ['a', 'b', 'c']],
    [`  enc '{in} file' "it's" -q{q} `, ['enc', '{in} file', "it's", '-q{q}']],
    [`a"b c"d ''`, ['ab cd', '']],
  ])('splits %s', (text, words) => {
    expect(splitCommand(text)).toEqual(words);
  });

  it('refuses open quotes and nothing', () => {
    expect(() => splitCommand(`enc 'in`)).toThrow(/every quote to be closed, got enc 'in/);
    expect(() => splitCommand('  ')).toThrow(UsageError);
  });
});

describe('fillCommand', () => {
  it('fills words without splitting them again', () => {
    expect(fillCommand(['enc', '{in}', 'q={q}{q}'], { in: 'a b', q: '$1' })).toEqual([
      'enc',
      'a b',
      'q=$1$1',
    ]);
    expect(() => fillCommand(['{quality}'], { q: '', toString: '' })).toThrow(
      /one of \{q\}.*got \{quality\}/,
    );
    expect(() => fillCommand(['{valueOf}'], {})).toThrow(UsageError);
  });
});

describe('runCommand', () => {
  it('gives what a program says, and its time with the start', async () => {
    const { stdout, stderr, seconds } = await runCommand(node('console.log(1); console.error(2)'));
    expect([stdout, stderr]).toEqual(['1\n', '2\n']);
    expect(seconds).toBeGreaterThan(0.005);
  });

  it('names programs that are absent, fail or crash', async () => {
    const fails = async (words: readonly string[], reason: RegExp): Promise<void> => {
      await expect(runCommand(words)).rejects.toThrow(UnsupportedError);
      await expect(runCommand(words)).rejects.toThrow(reason);
    };
    await fails(['no-such-program'], /Expected the program no-such-program to be installed/);
    await fails(
      node('console.error("first\\nlast word"); process.exit(7)'),
      /ended with status 7: last word$/,
    );
    await fails(node('process.kill(process.pid, "SIGKILL")'), /was ended by SIGKILL$/);
  });

  it('knows whether a program is there, and its first line about itself', async () => {
    expect(await isInstalled('no-such-program')).toBe(false);
    expect(await isInstalled('false')).toBe(true);
    expect(await programVersion([process.execPath, '--version'])).toBe(process.version);
    expect(await programVersion(node('console.error("v1\\nmore")'))).toBe('v1');
  });
});

it('removes temporary folders, also after failures', async () => {
  let seen = '';
  const failing = withTemporaryFolder(async (folder) => {
    seen = folder;
    expect(existsSync(folder)).toBe(true);
    throw new Error('inside');
  });
  await expect(failing).rejects.toThrow('inside');
  expect(existsSync(seen)).toBe(false);
});
