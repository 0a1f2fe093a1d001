import { readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { networkComplexity } from '../../../codec/networks/complexity.js';
import { networkConfigs } from '../../../codec/networks/config.js';
import { packageRoot, readImage } from '../../../src/io/index.js';
import { codec, fails, model, picture, small, temporaryFolder, works } from './support.js';

const { path, png } = temporaryFolder();

describe('codec models and networks', () => {
  it('describes a model file', async () => {
    const [described] = JSON.parse((await works(['models', model, '--json'])).out);
    expect(described).toMatchObject({ network: 'tiny', bytes: (await stat(model)).size });
    expect(described.id).toMatch(/^[0-9a-f]{16}$/);
    expect((await works(['models', model])).out).toContain(described.id);
    await fails(['models', path('none.safetensors')], /none\.safetensors: cannot be read/);
  });

  it('lists the bundled models', async () => {
    const { out } = await works(['models', '--json']);
    const file = join(packageRoot(), 'codec', 'models', 'base.safetensors');
    expect(JSON.parse(out)).toMatchObject([{ network: 'base', bytes: (await stat(file)).size }]);
  });

  it('counts what networks cost, within their budgets', async () => {
    const { encode, decode, exact } = networkComplexity(networkConfigs.base);
    expect(encode.kmacPerPixel).toBeLessThan(35);
    expect(decode.kmacPerPixel).toBeLessThan(35);
    expect(exact.kmacPerPixel).toBeLessThan(6);
    expect(networkComplexity(networkConfigs.tiny).total.kmacPerPixel).toBeLessThan(1);
    const { out } = await works(['networks', 'base']);
    expect(out).toContain(encode.kmacPerPixel.toFixed(3));
    const [json] = JSON.parse((await works(['networks', model, '--json'])).out);
    expect(json.config.name).toBe('tiny');
  });

  it('counts as many parameters as the model file holds', async () => {
    const [described] = JSON.parse((await works(['models', model, '--json'])).out);
    expect(networkComplexity(networkConfigs.tiny).total.parameters).toBe(described.parameters);
  });
});

describe('codec bench and demo', () => {
  it('measures both directions of an engine', async () => {
    const input = await png('a.png', picture(90, 60));
    const bench = JSON.parse((await works(['bench', input, '--runs', '2', '--json', ...small])).out);
    expect(bench.measured.map((row: { direction: string }) => row.direction)).toEqual(['encode', 'decode']);
    for (const row of bench.measured) {
      expect(row.engine).toBe('wasm');
      expect(row.megapixelsPerSecond).toBeCloseTo(0.0054 / row.seconds, 6);
    }
    expect((await works(['bench', input, '--runs', '1', ...small])).out).toMatch(
      /wasm +decode .* synthesis /,
    );
  });

  it('measures training', async () => {
    const input = await png('a.png', picture(64, 64));
    const options = ['--training', '--runs', '1', '--batch', '1', '--crop', '64', '-j', '1'];
    const { training } = JSON.parse((await works(['bench', input, '--json', ...options, ...small])).out);
    const { kmacPerPixel } = networkComplexity(networkConfigs.tiny).total;
    const forward = (2 * kmacPerPixel * 64 * 64) / 1e6;
    // Gradients of weights and inputs cost as much as the forward pass, each.
    expect(training.gigaflopPerStep / forward).toBeGreaterThan(2.8);
    expect(training.gigaflopPerStep / forward).toBeLessThan(3.5);
    expect(training.percent).toBeCloseTo(
      (100 * training.gigaflopPerSecond) / training.matMulGigaflopPerSecond,
      6,
    );
  });

  it('shows a picture beside other formats of its size', async () => {
    const input = await png('a.png', picture(128, 96));
    const { out } = await works(['demo', input, '--json', '--out', path('out'), ...small]);
    const { results, files } = JSON.parse(out);
    const [ours, ...others] = results;
    expect((await readFile(files.encoded)).length).toBe(ours.bytes);
    expect(files.encoded).toBe(path('out', 'a.tlc'));
    expect((await readImage(files.decoded)).image.width).toBe(128);
    expect(others.map((row: { name: string }) => row.name)).toEqual(['JPEG (mozjpeg)', 'WebP', 'AVIF']);
    for (const { bytes } of others) expect(bytes).toBeLessThanOrEqual(1.02 * ours.bytes);
  });
});

describe('help, version and manual', () => {
  it('prints versions of package, node and engines', async () => {
    const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));
    for (const flag of ['-V', '--version']) {
      const { out } = await works([flag]);
      expect(out).toContain(`trellis-codec ${version}\nnode ${process.version}`);
      expect(out).toMatch(/engines: .*wasm/);
    }
  });

  it('prints help on standard output when asked and on standard error when needed', async () => {
    expect((await works(['--help'])).out).toMatch(/encode .*\n.*decode /);
    expect((await works(['encode', '--help'])).out).toContain('Examples:\n  codec encode');
    const nothing = await codec([]);
    expect(nothing).toMatchObject({ code: 2, out: '' });
    expect(nothing.err).toContain('Usage: codec <command>');
  });

  it('keeps docs/CLI.md equal to the definitions (update: node dist/codec/cli/main.js manual > docs/CLI.md)', async () => {
    const { out } = await works(['manual']);
    expect(readFileSync(join(packageRoot(), 'docs', 'CLI.md'), 'utf8')).toBe(out);
  });
});
