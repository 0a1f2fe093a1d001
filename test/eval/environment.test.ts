import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { commitOf, environmentOf } from '../../eval/environment.js';
import { pictureFolder } from './step-codec.js';

const { path } = pictureFolder();

describe('environmentOf', () => {
  it('says what somebody needs who does it again', async () => {
    const environment = await environmentOf({ jobs: 2, threads: 3, versions: { tool: '1' } });
    expect(environment).toMatchObject({
      package: expect.stringMatching(/^trellis-codec \d/),
      node: process.version,
      cores: availableParallelism(),
      jobs: 2,
      threads: 3,
    });
    expect(environment.memoryBytes).toBeGreaterThan(2 ** 20);
    expect(environment.versions).toMatchObject({ tool: '1', sharp: expect.stringMatching(/^\d/) });
    expect(environment.versions.aom).toBeDefined();
  });
});

describe('commitOf', () => {
  it('is the commit of a checkout, marked where files were changed', async () => {
    expect(await commitOf(path())).toBeUndefined();
    const git = (...args: string[]): string =>
      execFileSync('git', ['-C', path(), '-c', 'user.name=a', '-c', 'user.email=a@b', ...args], {
        encoding: 'utf8',
      }).trim();
    git('init', '-q');
    expect(await commitOf(path())).toBeUndefined();
    writeFileSync(path('a'), '1');
    git('add', 'a');
    git('commit', '-qm', 'one');
    const commit = git('rev-parse', 'HEAD');
    expect(await commitOf(path())).toBe(commit);
    writeFileSync(path('unknown'), '1');
    expect(await commitOf(path())).toBe(commit);
    writeFileSync(path('a'), '2');
    expect(await commitOf(path())).toBe(`${commit}-dirty`);
  });
});
