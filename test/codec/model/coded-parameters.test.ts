/**
 * Model files with streams of weights: what is packed comes back bit for bit with the same id, files that are written again
 * keep their streams, weights that were replaced do not, and damaged files are refused.
 */
import { describe, expect, it } from 'vitest';
import { decodeWithReport } from '../../../codec/decode.js';
import { encodeWithReport } from '../../../codec/encode.js';
import {
  CodedParameter,
  isStreamName,
  isTransformWeight,
  streamName,
} from '../../../codec/model/coded-parameters.js';
import { loadModel } from '../../../codec/model/load.js';
import { serializeModel } from '../../../codec/model/model-file.js';
import { coderSpecs } from '../../../codec/networks/coder-graphs.js';
import { packModel } from '../../../eval/weights/pack-model.js';
import { CodecError, FormatError } from '../../../src/errors.js';
import { parseSafetensors, type SafeTensor, serializeSafetensors } from '../../../src/io/safetensors.js';
import { psnr } from '../../../src/metrics/psnr.js';
import { distortionOf, schemeOf } from '../../../src/weights/index.js';
import { samplePicture, tinyModelPath } from '../../eval/pictures.js';

const model = await loadModel(tinyModelPath);
const file = packModel(model, 5);
const packed = await loadModel(file);
const { image } = samplePicture(96);

/** The file with other tensors. */
function changed(change: (tensors: Map<string, SafeTensor>) => void): Uint8Array {
  const { tensors, metadata } = parseSafetensors(file);
  change(tensors);
  return serializeSafetensors(tensors, metadata);
}

const tableBytes = (tensors: ReadonlyMap<string, SafeTensor>): number =>
  [...tensors].reduce(
    (sum, [name, { data }]) => sum + (/^tables\.weights/.test(name) ? data.byteLength : 0),
    0,
  );

const bytesOf = (name: string): SafeTensor & { dtype: 'U8' } => {
  const tensor = parseSafetensors(file).tensors.get(streamName(name));
  if (tensor?.dtype !== 'U8') throw new Error(`no stream of ${name}`);
  return tensor;
};

describe('a model file with streams', () => {
  it('is smaller, by what its bits say', () => {
    const plain = serializeModel(model, coderSpecs(model.config)).length;
    const weights = [...model.parameters].filter(([name]) => isTransformWeight(name));
    const count = weights.reduce((sum, [, values]) => sum + values.length, 0);
    const tables = tableBytes(parseSafetensors(file).tensors);
    const saved = (plain - file.length + tables) / ((count * (16 - 5)) / 8);
    console.info(`streams of 5 bits save ${saved.toFixed(4)} of 11 bits, tables take ${tables} bytes`);
    expect(saved).toBeGreaterThan(0.97);
    expect(saved).toBeLessThan(1.05);
  });

  it('has weights as near as those of the scheme tcq8 at as many bits, and all else as it was', () => {
    const scheme = schemeOf('tcq8');
    let [error, errorOfScheme] = [0, 0];
    for (const [name, { shape }] of coderSpecs(model.config)) {
      const values = packed.parameters.get(name)!;
      const before = model.parameters.get(name)!;
      if (isTransformWeight(name)) {
        const back = scheme.dequantize(scheme.quantize({ name, shape, values: before }, { bits: 5 }));
        error += distortionOf(before, values).relativeError ** 2;
        errorOfScheme += distortionOf(before, back).relativeError ** 2;
        expect(values).not.toEqual(before);
      } else expect(values).toEqual(before);
    }
    console.info(
      `streams of 5 bits: ${(10 * Math.log10(errorOfScheme / error)).toFixed(2)} dB nearer than tcq8`,
    );
    expect(error / errorOfScheme).toBeLessThan(1.1);
    expect(packed.tables.hyperLatents).toEqual(model.tables.hyperLatents);
  });

  it('has an id of its own, over the streams that decoders use', async () => {
    expect(packed.id).not.toBe(model.id);
    expect((await loadModel(file)).id).toBe(packed.id);
    const other = packModel(model, 4);
    const mixed = (isTaken: (name: string) => boolean): Uint8Array =>
      changed((tensors) => {
        for (const [name, tensor] of parseSafetensors(other).tensors) {
          if (isStreamName(name) && isTaken(name)) tensors.set(name, tensor);
        }
      });
    expect((await loadModel(mixed((name) => /^(analysis|hyperAnalysis)/.test(name)))).id).toBe(packed.id);
    expect((await loadModel(mixed((name) => /^synthesis/.test(name)))).id).not.toBe(packed.id);
  });

  it('codes pictures with itself only', async () => {
    const options = { quality: 60, engine: 'wasm', threads: 1 } as const;
    const { bytes } = await encodeWithReport(image, { ...options, model: packed });
    const { image: decoded } = await decodeWithReport(bytes, { model: packed, engine: 'wasm', threads: 1 });
    expect(psnr(image, decoded)).toBeGreaterThan(25);
    await expect(decodeWithReport(bytes, { model, engine: 'wasm', threads: 1 })).rejects.toThrow(CodecError);
  });

  it('is written again byte for byte; replaced weights are half floats', async () => {
    const specs = coderSpecs(model.config);
    expect(serializeModel(packed, specs)).toEqual(file);
    const name = 'synthesis.out.weight';
    const parameters = new Map([...packed.parameters, [name, model.parameters.get(name)!]]);
    const { tensors } = parseSafetensors(serializeModel({ ...packed, parameters }, specs));
    expect(tensors.has(streamName(name))).toBe(false);
    expect(tensors.get(name)?.dtype).toBe('F16');
    expect(tensors.has(streamName('synthesis.in.weight'))).toBe(true);
    const { coded: _, ...plain } = packed;
    expect(parseSafetensors(serializeModel(plain, specs)).metadata.kind).toBe('trellis-codec model 2');
  });
});

describe('a packed model', () => {
  it('decodes only the streams that it is asked for, and each once', async () => {
    const { parameters, coded } = await loadModel(file);
    const { streams } = coded!;
    let decoded = 0;
    for (const [name, stream] of streams) {
      Object.defineProperty(stream, 'values', {
        get: () => {
          decoded++;
          return Object.getOwnPropertyDescriptor(CodedParameter.prototype, 'values')!.get!.call(stream);
        },
      });
      expect(parameters.has(name)).toBe(true);
    }
    expect(parameters.size).toBe(coderSpecs(model.config).size);
    expect([...parameters.keys()]).toEqual([...packed.parameters.keys()]);
    expect(decoded).toBe(0);
    const name = 'synthesis.in.weight';
    expect(parameters.get(name)).toEqual(packed.parameters.get(name));
    expect(parameters.get(name)).toBe(parameters.get(name));
    expect(decoded).toBe(1);
    expect(new Map(parameters)).toEqual(new Map(packed.parameters));
    expect(decoded).toBe(streams.size);
  });

  it('is a map as others are', async () => {
    const { parameters } = await loadModel(file);
    const values = Float32Array.of(1, 2);
    parameters.set('synthesis.in.weight', values);
    expect(parameters.get('synthesis.in.weight')).toBe(values);
    expect(parameters.delete('synthesis.up.weight')).toBe(true);
    expect(parameters.get('synthesis.up.weight')).toBeUndefined();
    const seen: string[] = [];
    parameters.forEach((one, name) => {
      expect(one.length, name).toBeGreaterThan(0);
      seen.push(name);
    });
    expect(seen).toEqual([...parameters.keys()]);
    parameters.clear();
    expect([...parameters.values()]).toEqual([]);
    expect(parameters.get('analysis.in.weight')).toBeUndefined();
  });
});

describe('damaged streams', () => {
  const name = 'synthesis.in.weight';
  const bytes = bytesOf(name).data;

  it.each<readonly [string, SafeTensor | undefined, RegExp]>([
    ['an absent one', undefined, /expected \d+ values for synthesis\.in\.weight .* got none/],
    ['one that is too short', { dtype: 'U8', shape: [40], data: bytes.slice(0, 40) }, /it ends at offset 40/],
    [
      'one of nothing',
      { dtype: 'U8', shape: [0], data: new Uint8Array(0) },
      /at least 4 bytes .* but found 0/,
    ],
    [
      'one with more',
      { dtype: 'U8', shape: [bytes.length + 1], data: Uint8Array.of(...bytes, 7) },
      /end of the entropy stream but 1 bytes are left/,
    ],
    [
      'one of another type',
      { dtype: 'I8', shape: [1], data: Int8Array.of(1) },
      /its stream of type U8, got I8/,
    ],
  ])('are refused: %s', async (_, tensor, reason) => {
    const damaged = changed((tensors) => {
      if (tensor) tensors.set(streamName(name), tensor);
      else tensors.delete(streamName(name));
    });
    // What is within a stream shows when it is decoded, the rest at once; both before anything is coded with it.
    const use = async (): Promise<unknown> => (await loadModel(damaged)).parameters.get(name);
    await expect(use()).rejects.toThrow(reason);
    await expect(use()).rejects.toBeInstanceOf(CodecError);
    if (tensor?.dtype !== 'U8') return;
    const options = { model: await loadModel(damaged), threads: 1 };
    await expect(encodeWithReport(image, options)).rejects.toThrow(reason);
  });

  it('are refused beside the tensor itself, and in files of the kind without streams', async () => {
    const values = model.parameters.get(name)!;
    const both = changed((tensors) => {
      tensors.set(name, { dtype: 'F32', shape: [values.length], data: values as Float32Array<ArrayBuffer> });
    });
    await expect(loadModel(both)).rejects.toThrow(/expected synthesis\.in\.weight or its stream .* got both/);
    const { tensors, metadata } = parseSafetensors(file);
    const kind = 'trellis-codec model 2';
    await expect(loadModel(serializeSafetensors(tensors, { ...metadata, kind }))).rejects.toThrow(
      FormatError,
    );
  });
});
