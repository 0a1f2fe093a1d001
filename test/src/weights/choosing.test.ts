/** Names, short descriptions, rules of which tensor is quantized how, and reports. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FormatError, UsageError } from '../../../src/errors.js';
import { parseSafetensors } from '../../../src/io/safetensors.js';
import {
  choose,
  distortionOf,
  isKept,
  measureScheme,
  parseRule,
  parseScheme,
  reportOf,
  schemeNames,
  schemeOf,
  schemes,
} from '../../../src/weights/index.js';
import { gaussianTensor } from './support.js';

describe('the registry', () => {
  it('has the names that users know, each once', () => {
    expect(new Set(schemeNames).size).toBe(schemeNames.length);
    const known = [
      'int4',
      'int8',
      'int4-asym',
      'nf4',
      'fp4',
      'mxfp4',
      'nvfp4',
      'hqq',
      'gptq',
      'paretoq',
      'bitnet',
    ];
    expect(schemeNames).toEqual(expect.arrayContaining(known));
    for (const scheme of schemes) {
      expect(schemeOf(scheme.name)).toBe(scheme);
      expect(scheme.bitWidths.length).toBeGreaterThan(0);
      expect(scheme.summary.length).toBeGreaterThan(10);
    }
  });

  it('names what it has where a name is unknown', () => {
    expect(() => schemeOf('int9')).toThrow(UsageError);
    expect(() => schemeOf('int9')).toThrow(/expected one of int2, .*nf4.*, got int9/);
  });

  it('reads names with bits and granularity', () => {
    expect(parseScheme('nf4')).toEqual({ scheme: schemeOf('nf4'), options: {} });
    expect(parseScheme('hqq:3').options).toEqual({ bits: 3 });
    expect(parseScheme('gptq:4:128').options).toEqual({ bits: 4, granularity: { group: 128 } });
    expect(parseScheme('paretoq:1.58:tensor').options).toEqual({ bits: 1.58, granularity: 'tensor' });
    expect(() => parseScheme('hqq:9')).toThrow("hqq: expected bits among 2, 3, 4, 5, 6, 7, 8, got '9'");
    expect(() => parseScheme('hqq:3:zebra')).toThrow(
      "granularity: expected tensor, row or the columns of a group, got 'zebra'",
    );
    expect(() => parseScheme('hqq:3:0')).toThrow(UsageError);
    expect(() => parseScheme('hqq:3:4:5')).toThrow('expected name:bits:granularity');
  });
});

describe('schemes', () => {
  const tensor = gaussianTensor(3, 40);

  it('refuse options, codes of others, and damaged headers, in one line', () => {
    expect(() => schemeOf('nf4').quantize(tensor, { actOrder: true })).toThrow(
      'nf4: expected options among bits, granularity, scales, search, importance, got actOrder',
    );
    expect(() => schemeOf('mxfp4').quantize(tensor, { granularity: 'row' })).toThrow('got granularity');
    expect(() => schemeOf('int4').quantize(tensor, { granularity: { group: 0 } })).toThrow(UsageError);
    const quantized = schemeOf('int4').quantize(tensor);
    expect(() => schemeOf('int5').dequantize(quantized)).toThrow(
      'tensor gaussian: expected one of scheme int5, got int4',
    );
    const bytes = schemeOf('int4').pack(quantized);
    const damaged = (at: number, value: number) => {
      const copy = bytes.slice();
      copy[at] = value;
      return () => schemeOf('int4').unpack(copy, 'w', tensor.shape);
    };
    expect(damaged(0, 0x85)).toThrow('Expected one of 1 widths for tensor w of scheme int4, got number 5');
    expect(damaged(4, 0x90)).toThrow('Expected a group of less than 2^31 columns');
    expect(damaged(1, 20)).toThrow(FormatError);
    expect(damaged(7, 0x7c)).toThrow('Expected finite numbers for scales');
  });

  it('take scales of float32 where asked', () => {
    const scales = (format: 'float16' | 'float32') => schemeOf('int4').quantize(tensor, { scales: format });
    expect(scales('float32').bits - scales('float16').bits).toBe(3 * 16 - 8);
  });
});

describe('the filter', () => {
  it('keeps norms, embeddings, heads, biases and vectors by default', () => {
    const kept = ['model.norm.weight', 'h.0.ln_1.weight', 'model.embed_tokens.weight', 'token_embd.weight'];
    const more = [
      'wte.weight',
      'lm_head.weight',
      'output.weight',
      'blk.0.ffn_gate_inp.weight',
      'g_a.1.gdn.beta',
    ];
    for (const name of [...kept, ...more]) expect(isKept(name, [4, 4]), name).toBe(true);
    for (const name of [
      'model.layers.0.mlp.down_proj.weight',
      'blk.3.attn_output.weight',
      'features.0.weight',
    ]) {
      expect(isKept(name, [4, 4]), name).toBe(false);
      expect(isKept(name, [4]), name).toBe(true);
      expect(isKept(name, []), name).toBe(true);
    }
    expect(isKept('layer.bias', [1, 4])).toBe(true);
  });

  it("keeps what feeds the entropy coder of this codec's own model, and nothing of its transforms", () => {
    const file = readFileSync(new URL('../../golden/tiny.safetensors', import.meta.url));
    const { tensors } = parseSafetensors(file);
    const matrices = [...tensors].filter(([, { shape }]) => shape.length > 1);
    const chosen = matrices.filter(([name, { shape }]) => !isKept(name, shape)).map(([name]) => name);
    expect(chosen.every((name) => /^(analysis|hyperAnalysis|synthesis)\./.test(name))).toBe(true);
    expect(chosen.some((name) => name.startsWith('synthesis.'))).toBe(true);
    const transforms = matrices.filter(([name]) =>
      /^(analysis|hyperAnalysis|synthesis)\..*weight$/.test(name),
    );
    expect(chosen.length).toBe(transforms.length);
  });

  it('lets the first rule that fits the whole name decide', () => {
    const rules = ['.*attn.*=int8', '.*norm.*=nf4', 'a|ab=int3', '.*skip.*=none'].map(parseRule);
    const fallback = parseScheme('int4');
    const of = (name: string) => choose(name, [2, 2], rules, fallback)?.scheme.name;
    expect(of('x.attn.q')).toBe('int8');
    expect(of('attn.norm')).toBe('int8');
    expect(of('model.norm')).toBe('nf4');
    expect(of('ab')).toBe('int3');
    expect(of('abc')).toBe('int4');
    expect(of('skip.attn')).toBe('int8');
    expect(of('skip.mlp')).toBeUndefined();
    expect(of('wte.weight')).toBeUndefined();
    expect(choose('mlp', [2, 2], [])).toBeUndefined();
    expect(choose('abc', [2, 2], [{ pattern: /b/, choice: fallback }])).toBeUndefined();
  });

  it('refuses rules that are none', () => {
    expect(() => parseRule('int4')).toThrow("rule: expected pattern=scheme or pattern=none, got 'int4'");
    expect(() => parseRule('(=int4')).toThrow("rule: expected a regular expression, got '('");
    expect(() => parseRule('.*=int99')).toThrow('expected one of int2');
  });
});

describe('the report', () => {
  it('has every number right', () => {
    const found = distortionOf(Float32Array.of(4, -3, 0, 1), Float32Array.of(2, -3, 0, 0));
    expect(found.meanSquaredError).toBe(5 / 4);
    expect(found.relativeError).toBeCloseTo(Math.sqrt(5 / 26), 12);
    expect(found.sqnr).toBeCloseTo(10 * Math.log10(26 / 5), 12);
    expect(found.cosine).toBeCloseTo((8 + 9) / Math.sqrt(26 * 13), 12);
    expect(found).toMatchObject({ weights: 4, maximumError: 2, zeroFraction: 0.5, saturation: 0.25 });
  });

  it('stays a number at the edges', () => {
    expect(distortionOf(Float32Array.of(0, 0), Float32Array.of(0, 0))).toMatchObject({
      relativeError: 0,
      sqnr: Number.POSITIVE_INFINITY,
      cosine: 1,
    });
    expect(distortionOf(Float32Array.of(1), Float32Array.of(0)).cosine).toBe(0);
    expect(distortionOf(new Float32Array(0), new Float32Array(0))).toMatchObject({
      meanSquaredError: 0,
      zeroFraction: 0,
    });
    expect(() => distortionOf(new Float32Array(1), new Float32Array(2))).toThrow(
      'report: expected 1 weights after quantization, got 2',
    );
  });

  it('counts all overhead', () => {
    const tensor = gaussianTensor(4, 64);
    const report = measureScheme(schemeOf('int4'), tensor);
    expect(report).toEqual(reportOf(tensor, schemeOf('int4').quantize(tensor)));
    expect(report.bits).toBe(40 + 8 + 4 * 16 + 256 * 4);
    expect(report.bitsPerWeight).toBe(report.bits / 256);
    expect(report).toMatchObject({ name: 'gaussian', scheme: 'int4', saturation: 0 });
  });

  it('sees clipping', () => {
    const tensor = gaussianTensor(1, 4096);
    expect(measureScheme(schemeOf('paretoq'), tensor, { bits: 2 }).saturation).toBeGreaterThan(0.1);
    expect(measureScheme(schemeOf('int8'), tensor).saturation).toBe(0);
  });
});
