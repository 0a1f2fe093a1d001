/** The `codec weights` commands on a small checkpoint. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { smallLlama, writeLlama } from '../../src/weights/files/llama.js';
import { floatsFile, valuesOf } from '../../src/weights/files/support.js';
import { codec, fails, temporaryFolder, works } from './support.js';

const { path, files } = temporaryFolder();
const tiny = { ...smallLlama, hidden: 64, intermediate: 96, layers: 1, vocabulary: 40, keyValue: 32 };

async function llama(): Promise<string> {
  await writeLlama(path('llama'), tiny);
  return path('llama');
}

describe('codec weights quantize', { timeout: 180_000 }, () => {
  it('writes every format, with a report of bits and errors', async () => {
    const input = await llama();
    for (const [output, scheme, ...more] of [
      ['a.tlw', 'int4'],
      ['a.gguf', 'q8_0'],
      ['a.safetensors', 'nf4'],
      ['folder', 'int4::32', '--packed'],
    ]) {
      const { out, err } = await works([
        'weights',
        'quantize',
        input,
        path(output),
        '--scheme',
        scheme,
        ...more,
      ]);
      expect(out).toMatch(
        /model\.layers\.0\.mlp\.down_proj\.weight +\S+ +6,144 +\d\.\d{3} +\d\.\d{3}e-\d +\d\d\.\d\d dB/,
      );
      expect(out).toMatch(/quantized: 30,720 weights, \d\.\d{3} bits per weight, SQNR \d\d\.\d\d dB/);
      expect(out).toMatch(/bytes of [\d,]+ bytes, \d+\.\d{3} bits per weight with all that was kept/);
      expect(err).toBe('');
    }
    expect(await files()).toEqual(['a.gguf', 'a.safetensors', 'a.tlw', 'folder', 'llama']);
  });

  it('takes rules, widths and groups, and gives JSON', async () => {
    const input = await llama();
    const options = [
      '--scheme',
      'int4',
      '--group',
      '32',
      '--keep',
      '.*q_proj.*',
      '--filter',
      '.*mlp.*=int8:8:row',
    ];
    const { out } = await works(['weights', 'quantize', input, path('a.tlw'), ...options, '--json']);
    const { tensors, quantized, file } = JSON.parse(out);
    const schemes = Object.fromEntries(
      tensors.map(({ name, scheme }: Record<string, string>) => [name.split('.').at(-2), scheme]),
    );
    expect(schemes).toEqual({
      k_proj: 'int4::32',
      v_proj: 'int4::32',
      o_proj: 'int4::32',
      gate_proj: 'int8:8:row',
      up_proj: 'int8:8:row',
      down_proj: 'int8:8:row',
    });
    expect(quantized.bitsPerWeight).toBeGreaterThan(4.5);
    expect(file.bytes).toBe(readFileSync(path('a.tlw')).length);
  });

  it('shows a plan without writing, and meets a target', async () => {
    const input = await llama();
    const options = ['--scheme', 'int4', '--target-bpw', '5', '--dry-run'];
    const { out } = await works(['weights', 'quantize', input, path('a.tlw'), ...options]);
    expect(out).toMatch(/model\.norm\.weight +64 +BF16 +kept/);
    const [, found] = out.match(/quantized: 30,720 weights, (\d\.\d+) bits per weight, by samples; nothing/)!;
    expect(Number(found)).toBeLessThanOrEqual(5);
    expect(Number(found)).toBeGreaterThan(4.5);
    expect(await files()).toEqual(['llama']);
  });

  it('codes with a trellis at a rate of its own for every tensor, or at one step for all', async () => {
    const input = await llama();
    const rate = async (...options: string[]): Promise<number> => {
      const args = ['weights', 'quantize', input, path('a.tlw'), '--scheme', 'tcq8', '--json', ...options];
      return JSON.parse((await works(args)).out).quantized.bitsPerWeight;
    };
    expect(Math.abs((await rate('--bits', '3')) - 3)).toBeLessThan(0.03);
    expect(Math.abs((await rate('--target-bpw', '2.5')) - 2.5)).toBeLessThan(0.1);
    await works(['weights', 'inspect', path('a.tlw'), '--check']);
  });

  it('stops on Ctrl-C and goes on with --resume, to the same bytes', async () => {
    const input = await llama();
    const command = (output: string) => [
      'weights',
      'quantize',
      input,
      path(output),
      '--scheme',
      'int4',
      '-v',
    ];
    await works(command('whole.tlw'));
    const stopped = await codec(command('a.tlw'), {
      onError: (text, interrupt) => {
        if (text.includes('v_proj')) interrupt();
      },
    });
    expect(stopped.code).toBe(1);
    expect(stopped.err).toMatch(
      /stopping after this tensor.*\n.*a\.tlw: stopped; the same command with --resume goes on/,
    );
    expect(existsSync(path('a.tlw'))).toBe(false);
    await fails(command('a.tlw'), /holds an interrupted run; --resume goes on/);
    await codec([...command('a.tlw'), '--resume']);
    expect(readFileSync(path('a.tlw'))).toEqual(readFileSync(path('whole.tlw')));
    expect(await files()).toEqual(['a.tlw', 'llama', 'whole.tlw']);
  });

  it('writes an index of the shards, whatever way the folder is named', async () => {
    const input = await llama();
    await works(['weights', 'quantize', input, `${path()}/./sub/../folder/`, '--scheme', 'int8']);
    const index = JSON.parse(readFileSync(path('folder', 'model.safetensors.index.json'), 'utf8'));
    const before = JSON.parse(readFileSync(path('llama', 'model.safetensors.index.json'), 'utf8'));
    expect(index).toEqual(before);
    expect((await works(['weights', 'compare', input, path('folder')])).out).toContain(
      'quantized: 30,720 weights',
    );
  });

  it('writes values as the element type that is asked for', async () => {
    const input = await llama();
    const typesOf = async (...options: string[]): Promise<string[]> => {
      await works(['weights', 'quantize', input, path('a.safetensors'), '--scheme', 'int4', ...options]);
      const { out } = await works(['weights', 'inspect', path('a.safetensors'), '--json']);
      const { tensors } = JSON.parse(out) as { tensors: { name: string; type: string }[] };
      return [...new Set(tensors.filter(({ name }) => name.includes('proj')).map(({ type }) => type))];
    };
    expect(await typesOf()).toEqual(['BF16']);
    for (const type of ['F32', 'F16']) expect(await typesOf('--dtype', type)).toEqual([type]);
  });

  it('draws what is random from the seed', async () => {
    const input = await llama();
    const bytesWith = async (seed: string): Promise<Buffer> => {
      await works(['weights', 'quantize', input, path('a.tlw'), '--scheme', 'qtip-3inst', '--seed', seed]);
      return readFileSync(path('a.tlw'));
    };
    const [first, again, other] = [await bytesWith('5'), await bytesWith('5'), await bytesWith('6')];
    expect(again.equals(first)).toBe(true);
    expect(other.equals(first)).toBe(false);
  });

  it('lets gptq see inputs of layers, and makes less of an error of their outputs by it', async () => {
    const [rows, columns, samples] = [16, 64, 256];
    const at = (n: number): number => Math.sin(n * n * 0.37) + Math.cos(n * 1.7);
    const weights = Array.from({ length: rows * columns }, (_, n) => at(n));
    // Inputs that go together: a column repeats its neighbour, but for a little.
    const inputs = Array.from({ length: samples * columns }, (_, n) => {
      const [sample, column] = [Math.floor(n / columns), n % columns];
      return at(5 * sample + (column >> 2)) + 0.1 * at(n);
    });
    writeFileSync(path('layer.safetensors'), floatsFile({ 'layer.weight': [[rows, columns], weights] }));
    writeFileSync(
      path('inputs.safetensors'),
      floatsFile({ 'layer.weight.inputs': [[samples, columns], inputs] }),
    );
    const outputError = async (scheme: string, ...options: string[]): Promise<number> => {
      const command = ['weights', 'quantize', path('layer.safetensors'), path('a.tlw'), '--scheme', scheme];
      await works([...command, ...options]);
      const restored = (await valuesOf(path('a.tlw'))).get('layer.weight')!;
      let sum = 0;
      for (let sample = 0; sample < samples; sample++) {
        for (let row = 0; row < rows; row++) {
          let error = 0;
          for (let column = 0; column < columns; column++) {
            const at = row * columns + column;
            error += (restored[at] - weights[at]) * inputs[sample * columns + column];
          }
          sum += error * error;
        }
      }
      return sum;
    };
    const calibrated = await outputError('gptq:3:64', '--calibration', path('inputs.safetensors'));
    expect(calibrated).toBeLessThan(0.5 * (await outputError('int3::64')));
    await fails(
      [
        ...['weights', 'quantize', path('layer.safetensors'), path('b.tlw'), '--scheme', 'gptq'],
        ...['--calibration', path('none.safetensors')],
      ],
      /none\.safetensors: cannot be read/,
    );
  });

  it('shows a bar on a terminal', async () => {
    const input = await llama();
    const { err } = await works(['weights', 'quantize', input, path('a.tlw'), '--scheme', 'int4'], {
      columns: 100,
    });
    expect(err).toMatch(/█.* kB {2}model\./);
    expect(err).toMatch(/ in \d+ s/);
  });

  it('refuses what makes no sense, in one line', async () => {
    const input = await llama();
    const run = (...options: string[]) => ['weights', 'quantize', input, ...options];
    await fails(run(input, '--scheme', 'int4'), /another place for the output/);
    await fails(run(path('a.gguf'), '--scheme', 'int4'), /gguf: expected a scheme with a GGUF type/);
    await fails(
      run(path('a.bin'), '--scheme', 'int4'),
      /a\.bin: expected \.safetensors, \.gguf, \.tlw or a folder/,
    );
    await fails(run(path('a.tlw'), '--scheme', 'int4', '--packed'), /for --packed, got \.tlw/);
    await fails(
      ['weights', 'quantize', path('none'), path('a.tlw'), '--scheme', 'int4'],
      /none: cannot be read/,
    );
    for (const options of [
      ['--scheme', 'int9'],
      ['--scheme', 'int4', '--bits', '3'],
      ['--scheme', 'int4', '--filter', 'x'],
      ['--scheme', 'int4', '--keep', '('],
    ]) {
      const { code, err } = await codec(run(path('a.tlw'), ...options));
      expect([code, err.trim().split('\n').length], err).toEqual([2, 1]);
    }
    writeFileSync(
      path('nan.safetensors'),
      floatsFile({
        'x.weight': [
          [1, 2],
          [1, Number.NaN],
        ],
      }),
    );
    await fails(
      ['weights', 'quantize', path('nan.safetensors'), path('b.tlw'), '--scheme', 'int4'],
      /tensor x\.weight: expected finite weights, got NaN at 1/,
    );
    await fails(
      run(path('c.tlw'), '--scheme', 'gptq'),
      /expected inputs of the layer \(calibration\) for gptq, got none/,
    );
    expect((await files()).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });
});

describe('codec weights inspect and compare', () => {
  it('show what is in files and what became of weights', async () => {
    const input = await llama();
    await works(['weights', 'quantize', input, path('a.gguf'), '--scheme', 'q8_0']);
    await works(['weights', 'quantize', input, path('a.tlw'), '--scheme', 'int4', '--worst', '1']);
    const shown = (await works(['weights', 'inspect', path('a.gguf')])).out;
    expect(shown).toMatch(/^format +gguf\n/);
    expect(shown).toMatch(/general\.architecture +llama/);
    expect(shown).toMatch(/self_attn\.q_proj\.weight +Q8_0 +64 x 64 +4,352 +8\.500/);
    const inspected = JSON.parse(
      (await works(['weights', 'inspect', path('a.tlw'), '--check', '--json'])).out,
    );
    expect(inspected).toMatchObject({ format: 'tlw', bytes: readFileSync(path('a.tlw')).length });
    expect(inspected.tensors).toHaveLength(12);
    const { out } = await works(['weights', 'compare', input, path('a.tlw')]);
    expect(out).toMatch(/quantized: 30,720 weights, 4\.\d+ bits per weight, MSE .* SQNR .* cosine 0\.99/);
    expect(out).toMatch(/whole file: 36,\d+ weights/);
    const { total, tensors } = JSON.parse(
      (await works(['weights', 'compare', input, path('a.gguf'), '--json', '--worst', '2'])).out,
    );
    expect(tensors).toHaveLength(2);
    const all = JSON.parse(
      (await works(['weights', 'compare', input, path('a.gguf'), '--json', '--all'])).out,
    );
    expect(all.tensors).toHaveLength(12);
    expect(total.quantized.sqnr).toBeGreaterThan(44);
    expect(total.whole.bits).toBe(8 * readFileSync(path('a.gguf')).length);
    const damaged = readFileSync(path('a.tlw'));
    damaged[400] ^= 1;
    writeFileSync(path('a.tlw'), damaged);
    await fails(['weights', 'inspect', path('a.tlw'), '--check'], /a\.tlw: .*CRC32C/);
    await fails(['weights', 'compare', path('a.gguf'), path('llama', 'config.json')], /config\.json: /);
  });
});
