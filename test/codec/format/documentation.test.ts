import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as format from '../../../codec/format/index.js';
import {
  chunkNames,
  crc32cOfIntegers,
  headerElements,
  headerTable,
  leastHeaderBytes,
  quantizerIds,
  signature,
  varint,
  writeContainer,
} from '../../../codec/format/index.js';
import { quantizerOf as quantizerOfName } from '../../../codec/quantizers/registry.js';
import { trellisQuantizers } from '../../../codec/quantizers/trellis.js';
import { packModel } from '../../../eval/weights/pack-model.js';
import { parseSafetensors } from '../../../src/io/safetensors.js';
import { tinyModel, tinyModelBytes } from '../../golden/cases.js';
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

  it('lists every type of chunk that is known', () => {
    const listed = [
      ...documentation.matchAll(/^\| ((?:`\w` ?)+)\| ([\w, ]+) \| .* \| .* \| .* \|$/gm),
    ].flatMap(([, types, names]) =>
      names.split(', ').map((name, k) => [types.replaceAll('`', '').split(' ')[k], name.trim()]),
    );
    expect(Object.fromEntries(listed)).toEqual(chunkNames);
  });

  it('shows numbers as varints', () => {
    const [line] = documentation.match(/^ {4}127 {4}7F.*$/m)!;
    const shown = [...line.matchAll(/(\d+) {4}((?:[0-9A-F]{2} ?)+)/g)];
    expect(shown.length).toBe(4);
    for (const [, number, bytes] of shown) {
      expect(Buffer.from(varint(Number(number))).toString('hex')).toBe(
        bytes.replaceAll(' ', '').toLowerCase(),
      );
    }
  });

  it('counts the bytes of headers and of what frames a segment', () => {
    const largest = headerElements.reduce((sum, { bits }) => sum + (bits === 'varint' ? 5 : bits / 8), 0);
    expect(documentation).toContain(`It has ${leastHeaderBytes} to ${largest} bytes in version 2.0`);
    expect(documentation).toContain(
      `first ${leastHeaderBytes + 13} to ${largest + 13} bytes of a file tell everything`,
    );
    const [, framing, shortest, longest, least, most] =
      /takes (\d+) bytes besides its entropy segment where its sides have (\d+) to (\d+) pixels and the segment\s+(\d+) to (\d+) bytes/
        .exec(documentation)!
        .map(Number);
    const framed = (side: number, bytes: number): number => {
      const header = { ...picture(), width: side, height: side, tileSide: 0 };
      const tiles = [{ latentsChecksum: 0, segment: new Uint8Array(bytes) }];
      return writeContainer({ header, tiles }).length - bytes;
    };
    for (const side of [shortest, longest]) {
      for (const bytes of [least, most]) expect(framed(side, bytes)).toBe(framing);
    }
    expect([framed(shortest, least - 1), framed(longest, most + 1)]).toEqual([framing - 1, framing + 1]);
    expect([framed(shortest - 1, least), framed(longest + 1, most)]).toEqual([framing - 2, framing + 2]);
  });

  it('prints the state machines that quantizers of up to 64 states run on', () => {
    const rows = (table: string): number[][] =>
      table.split(',').map((pair) => pair.trim().split(/\s+/).map(Number));
    const printed = [
      ...documentation.matchAll(
        /^ {4}(tcq\d+) +quantizer +([01 ]+)\n +successor +((?:[\d ]+,\s+)*[\d ]+)\n/gm,
      ),
    ];
    expect(printed.map(([, name]) => name)).toEqual(
      trellisQuantizers.filter(({ machine }) => machine!.states <= 64).map(({ name }) => name),
    );
    for (const [, name, quantizerOf, successors] of printed) {
      const machine = quantizerOfName(name).machine!;
      expect(Array.from(quantizerOf.replaceAll(' ', ''), Number), name).toEqual([...machine.quantizerOf]);
      expect(rows(successors).flat(), name).toEqual([...machine.next]);
    }
  });

  it('gives the formula and the parity checks of the larger machines', () => {
    const [, ...checks] =
      /\(octal\) (\d+), (\d+) and\s+(\d+), (\d+) and\s+(\d+), (\d+); .* with (\d+), (\d+) and (\d+), (\d+)\. .* with (\d+), (\d+) and\s+(\d+), (\d+)\./.exec(
        documentation,
      )!;
    const octal = checks.map((digits) => Number.parseInt(digits, 8));
    for (const [n, states] of [16, 32, 64, 128, 256, 512, 1024].entries()) {
      const { quantizerOf, next } = quantizerOfName(`tcq${states}`).machine!;
      const [h0, h1] = octal.slice(2 * n, 2 * n + 2);
      for (let t = 0; t < states; t++) {
        for (const k of [-3, -2, 0, 1]) {
          const z0 = t % 2;
          const z1 = Math.abs(k + z0) % 2;
          expect(quantizerOf[t]).toBe(z0);
          expect(next[2 * t + Math.abs(k % 2)]).toBe((t >> 1) ^ (z0 * (h0 >> 1)) ^ (z1 * (h1 >> 1)));
        }
      }
    }
  });

  it('states the kind of files that have streams of weights, and the names of their tensors', async () => {
    const { tensors, metadata } = parseSafetensors(packModel(await tinyModel(), 2));
    expect(documentation).toContain(`In files of the kind \`${metadata.kind}\``);
    const [, suffix] = /under its name with `(\.\w+)` behind it/.exec(documentation)!;
    expect(tensors.has(`synthesis.out.weight${suffix}`)).toBe(true);
    const [, tables] = /has the tables `([\w.]+)\.\*` too/.exec(documentation)!;
    for (const part of ['frequencies', 'first', 'sizes']) expect(tensors.has(`${tables}.${part}`)).toBe(true);
  });

  it('lists the tensors of a model file besides weights, with their types', async () => {
    const { tensors, metadata } = parseSafetensors(tinyModelBytes());
    expect(documentation).toContain(`    kind     ${metadata.kind}\n`);
    const listed = [...documentation.matchAll(/^\| `([\w.*]+)` \| (\w*) *\| ([\w ]*?) *\|/gm)];
    const covers = (pattern: string): RegExp =>
      new RegExp(
        `^${pattern.replace('.Q.', '.(round|deadzone|rdoq|tcq\\d+).').replace('*', '(frequencies|first|sizes)')}$`,
      );
    for (const [name, { dtype, shape }] of tensors) {
      if (!/^(tables|quantizers)\./.test(name)) continue;
      const [row] = listed.filter(([, pattern]) => covers(pattern).test(name));
      expect(row, name).toBeDefined();
      if (row[2] !== '')
        expect([dtype, shape.length], name).toEqual([row[2], row[3] === 'tables x 3' ? 2 : 1]);
    }
  });

  it('says how the id of a model is made', async () => {
    const bytes = tinyModelBytes();
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const start = 8 + view.getUint32(0, true);
    const { __metadata__: _, ...tensors } = JSON.parse(
      new TextDecoder().decode(bytes.subarray(8, start)),
    ) as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
    const hash = createHash('sha256');
    for (const name of Object.keys(tensors).sort()) {
      if (/^(analysis|hyperAnalysis|prior|rate\.analysis)/.test(name)) continue;
      if (/^quantizers\.\w+\.lagrangian$/.test(name)) continue;
      const {
        dtype,
        shape,
        data_offsets: [from, to],
      } = tensors[name];
      hash.update(`${name} ${dtype} ${shape.join('x')}\n`).update(bytes.subarray(start + from, start + to));
    }
    expect(hash.digest('hex').slice(0, 16)).toBe((await tinyModel()).id);
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
