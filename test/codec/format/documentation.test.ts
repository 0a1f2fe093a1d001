import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as format from '../../../codec/format/index.js';
import {
  crc32cOfIntegers,
  headerTable,
  quantizerIds,
  signature,
  writeContainer,
} from '../../../codec/format/index.js';
import { picture } from './samples.js';

const folder = new URL('../../../codec/format/', import.meta.url);
const documentation = readFileSync(new URL('../../../docs/FORMAT.md', import.meta.url), 'utf8');

/** The examples of a source file: lines of code, some with the value they must give. */
function examplesOf(source: string): string[] {
  return [...source.matchAll(/\* @example\n((?: \* .*\n)+) \*\//g)].map(([, lines]) =>
    lines.replace(/^ \* /gm, ''),
  );
}

/** Code that runs an example and returns the pairs of found and promised values. */
function runnable(example: string): string {
  const code = example.replace(/^(.*); \/\/ => (.*)$/gm, 'pairs.push([$1, $2]);');
  return `const pairs = []; ${code} return pairs;`;
}

describe('documentation', () => {
  it('shows the header as the element list has it', () => {
    expect(documentation).toContain(`\n${headerTable()}\n`);
  });

  it('lists every registered quantizer', () => {
    for (const [name, id] of Object.entries(quantizerIds))
      expect(documentation).toContain(`| ${id} | ${name} |`);
  });

  it('shows the signature', () => {
    const bytes = signature.map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join(' ');
    expect(documentation).toContain(bytes);
  });

  it('prints a whole file that is true', () => {
    const [, dump] = /^## Example$[\s\S]*?\n\n((?: {4}[0-9a-f ]+\n)+)/m.exec(documentation)!;
    const printed = Uint8Array.from(dump.trim().split(/\s+/), (byte) => Number.parseInt(byte, 16));
    const header = {
      ...picture(),
      width: 9,
      height: 5,
      modelId: '0011223344556677',
      quality: 50,
      tileSide: 0,
    };
    const checksum = crc32cOfIntegers(new Int32Array(18));
    const segment = Uint8Array.of(0, 0x80, 0, 0);
    expect(printed).toEqual(writeContainer({ header, tiles: [{ latentsChecksum: checksum, segment }] }));
  });

  for (const name of readdirSync(folder).filter((file) => file.endsWith('.ts'))) {
    const examples = examplesOf(readFileSync(new URL(name, folder), 'utf8'));
    it.runIf(examples.length > 0)(`has examples that are true: ${name}`, () => {
      for (const example of examples) {
        const run = new Function(...Object.keys(format), runnable(example));
        const pairs = run(...Object.values(format)) as [unknown, unknown][];
        expect(pairs.length, example).toBeGreaterThan(0);
        for (const [found, promised] of pairs) expect(found, example).toEqual(promised);
      }
    });
  }
});
