import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { FormatError, UsageError } from '../../../src/errors.js';
import { ByteFile, GrowingFile } from '../../../src/io/byte-file.js';

const folder = mkdtempSync(join(tmpdir(), 'byte-file-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'a');

describe('ByteFile', () => {
  it('reads any part, whole or in pieces', async () => {
    const bytes = Uint8Array.from({ length: 9_000_000 }, (_, i) => (i * 31) >> 3);
    writeFileSync(path, bytes);
    const file = await ByteFile.open(path);
    expect(file.size).toBe(bytes.length);
    expect(await file.read(5, 8)).toEqual(bytes.slice(5, 8));
    expect(await file.read(7, 7)).toEqual(new Uint8Array(0));
    const pieces: Buffer[] = [];
    for await (const piece of file.pieces(3, bytes.length)) pieces.push(Buffer.from(piece));
    expect(pieces.length).toBe(3);
    expect(Buffer.concat(pieces).equals(bytes.subarray(3))).toBe(true);
    await file.close();
  });

  it('names files that are missing, folders or too short', async () => {
    await expect(ByteFile.open(join(folder, 'none'))).rejects.toThrow(/none: cannot be read: no such file/);
    await expect(ByteFile.open(folder)).rejects.toThrow(UsageError);
    writeFileSync(path, 'abcdef');
    const file = await ByteFile.open(path);
    await expect(file.read(0, 7)).rejects.toThrow(/a: expected 7 bytes, but the file has 6: it is truncated/);
    truncateSync(path, 2);
    await expect(file.read(0, 6)).rejects.toThrow(FormatError);
    await file.close();
  });
});

describe('GrowingFile', () => {
  it('appears when it is finished, and leaves nothing when it is abandoned', async () => {
    writeFileSync(path, 'before');
    const file = await GrowingFile.create(path);
    await file.write(Buffer.from('af'));
    await file.write(Buffer.from('ter'));
    expect([file.length, readFileSync(path, 'utf8')]).toEqual([5, 'before']);
    await file.finish();
    expect(readFileSync(path, 'utf8')).toBe('after');
    const other = await GrowingFile.create(join(folder, 'b'));
    await other.write(Uint8Array.of(1));
    await other.abandon();
    expect(readdirSync(folder)).toEqual(['a']);
  });

  it('refuses folders, and folders that are not there', async () => {
    await expect(GrowingFile.create(folder)).rejects.toThrow(/cannot be written: it is a folder/);
    await expect(GrowingFile.create(join(folder, 'none', 'b'))).rejects.toThrow(/cannot be written: no such/);
  });
});
