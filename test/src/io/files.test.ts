import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/errors.js';
import { packageRoot, readFileOrStdin, writeFileAtomic, writeFileOrStdout } from '../../../src/io/files.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'files-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('writeFileAtomic', () => {
  it('writes and replaces, leaving nothing else behind', async () => {
    const path = join(folder, 'a.bin');
    await writeFileAtomic(path, Uint8Array.of(1, 2, 3));
    await writeFileAtomic(path, Uint8Array.of(4));
    expect([...(await readFileOrStdin(path))]).toEqual([4]);
    expect(await readdir(folder)).toEqual(['a.bin']);
  });

  it('refuses an existing file when told so', async () => {
    const path = join(folder, 'a.bin');
    await writeFileOrStdout(path, Uint8Array.of(1), { overwrite: false });
    await expect(writeFileAtomic(path, Uint8Array.of(2), { overwrite: false })).rejects.toThrow(UsageError);
    expect([...(await readFile(path))]).toEqual([1]);
    expect(await readdir(folder)).toEqual(['a.bin']);
  });

  it('lets exactly one of many writers win when overwriting is off', async () => {
    const path = join(folder, 'a.bin');
    const writers = Array.from({ length: 8 }, (_, i) =>
      writeFileAtomic(path, Uint8Array.of(i), { overwrite: false }).then(
        () => 1,
        () => 0,
      ),
    );
    const won = (await Promise.all(writers)).reduce<number>((sum, x) => sum + x, 0);
    expect(won).toBe(1);
    expect(await readdir(folder)).toEqual(['a.bin']);
  });

  it('keeps permissions and follows links', async () => {
    const path = join(folder, 'a.bin');
    await writeFile(path, 'x');
    await chmod(path, 0o640);
    await symlink(path, join(folder, 'link'));
    await writeFileAtomic(join(folder, 'link'), Uint8Array.of(7));
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect([...(await readFile(path))]).toEqual([7]);
  });

  it('names a missing folder and a folder in the way', async () => {
    await expect(writeFileAtomic(join(folder, 'no', 'a'), new Uint8Array(1))).rejects.toThrow(/no such file/);
    await expect(writeFileAtomic(folder, new Uint8Array(1))).rejects.toThrow(/it is a folder/);
    expect(await readdir(folder)).toEqual([]);
  });

  it('writes into devices instead of replacing them', async () => {
    await writeFileAtomic('/dev/null', Uint8Array.of(1));
    expect((await stat('/dev/null')).isCharacterDevice()).toBe(true);
  });
});

describe('readFileOrStdin', () => {
  it('names a missing file and a folder', async () => {
    const missing = join(folder, 'missing.png');
    await expect(readFileOrStdin(missing)).rejects.toThrow(UsageError);
    await expect(readFileOrStdin(missing)).rejects.toThrow(/missing\.png.*no such file/);
    await expect(readFileOrStdin(folder)).rejects.toThrow(/it is a folder/);
  });
});

describe('packageRoot', () => {
  it('is the folder of this package', async () => {
    const manifest = JSON.parse(await readFile(join(packageRoot(), 'package.json'), 'utf8'));
    expect(manifest.name).toBe('trellis-codec');
  });
});
