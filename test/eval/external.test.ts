import { writeFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type ExternalCodec,
  externalCodec,
  parseExternalCodec,
  parseExternalText,
} from '../../eval/external.js';
import { FormatError, UnsupportedError, UsageError } from '../../src/errors.js';
import { createImage } from '../../src/io/image.js';
import { psnr } from '../../src/metrics/psnr.js';
import { samplePicture } from './pictures.js';
import { pictureFolder } from './step-codec.js';

const { path } = pictureFolder();
const { image } = samplePicture(40);

/** A program that keeps the top bits of samples: `coder.mjs encode IN OUT BITS`, `coder.mjs decode IN OUT`. */
const program = `
import { readFileSync, writeFileSync } from 'node:fs';
const [, , verb, from, to, bits] = process.argv;
const bytes = readFileSync(from);
const head = from.endsWith('.ppm') ? bytes.indexOf('255\\n') + 4 : bytes.length;
const step = 2 ** (8 - bits);
const cut = bytes.map((value, n) => (n < head ? value : Math.floor(value / step) * step));
if (verb === 'fail') throw new Error('it cannot');
if (verb !== 'nothing') writeFileSync(to, verb === 'encode' ? cut : bytes);
`;

let coder: string;
beforeEach(async () => {
  coder = path('a coder.mjs');
  await writeFile(coder, program);
});

const template = (more: Partial<ExternalCodec> = {}): ExternalCodec => ({
  name: 'cut',
  encode: `${process.execPath} '${coder}' encode {in} {out} {q}`,
  decode: `${process.execPath} '${coder}' decode {in} {out}`,
  settings: [3, 8],
  picture: 'ppm',
  ...more,
});

describe('externalCodec', () => {
  it('codes through files, at a setting', async () => {
    const codec = await externalCodec(template({ version: `${process.execPath} --version` }));
    expect(codec).toMatchObject({ name: 'cut', settings: [3, 8] });
    expect(codec.version).toMatch(
      /^v\d+.*encode \{in\} \{out\} \{q\}, .*decode \{in\} \{out\}, files of \.bin, through ppm files, seconds include/,
    );
    const { bytes, seconds } = await codec.encode(image, 8);
    expect(bytes.length).toBe('P6\n40 40\n255\n'.length + 4800);
    expect(seconds).toBeGreaterThan(0.005);
    expect((await codec.decode(bytes)).image.data).toEqual(image.data);
    const coarse = (await codec.decode((await codec.encode(image, 3)).bytes)).image;
    expect(psnr(image, coarse)).toBeGreaterThan(15);
    expect(psnr(image, coarse)).toBeLessThan(35);
  });

  it('hands over PNG files unless told otherwise, and gray pictures too', async () => {
    const gray = createImage(
      9,
      5,
      1,
      Uint8Array.from({ length: 45 }, (_, n) => 5 * n),
    );
    const { picture: _, ...png } = template();
    const codec = await externalCodec(png);
    const { bytes } = await codec.encode(gray, 8);
    expect(String.fromCharCode(...bytes.subarray(1, 4))).toBe('PNG');
    expect(psnr(gray, (await codec.decode(bytes)).image)).toBe(Number.POSITIVE_INFINITY);
  });

  it('names programs that fail, write nothing, or are absent', async () => {
    const encoding = async (encode: string): Promise<unknown> =>
      (await externalCodec(template({ encode }))).encode(image, 8);
    const command = (verb: string): string => `${process.execPath} '${coder}' ${verb} {in} {out}`;
    await expect(encoding(command('fail'))).rejects.toThrow(UnsupportedError);
    await expect(encoding(command('fail'))).rejects.toThrow(/ended with status 1/);
    await expect(encoding(command('nothing'))).rejects.toThrow(/Expected a file from .* but it wrote none/);
    const silent = await externalCodec(template({ decode: command('nothing') }));
    await expect(silent.decode(new Uint8Array(9))).rejects.toThrow(/Expected a picture from/);
    await expect(externalCodec(template({ version: 'no-such-program -V' }))).rejects.toThrow(
      /to be installed/,
    );
    await expect(externalCodec(template({ encode: 'enc {in} {out} {quality}' }))).rejects.toThrow(UsageError);
  });
});

describe('templates', () => {
  it('are read from the fields of a file', () => {
    const value = { ...template(), extension: '.cut', version: 'cut -V' };
    expect(parseExternalCodec(value, 'cut.json')).toEqual(value);
    const refuses = (more: object, reason: RegExp): void => {
      expect(() => parseExternalCodec({ ...value, ...more }, 'cut.json')).toThrow(FormatError);
      expect(() => parseExternalCodec({ ...value, ...more }, 'cut.json')).toThrow(reason);
    };
    refuses({ name: '' }, /cut\.json: expected a text for name, got ""/);
    refuses({ decode: 1 }, /a text for decode, got 1/);
    refuses({ encode: 'enc {in} -q {q}' }, /a command with \{in\} and \{out\} for encode/);
    refuses({ decode: 'dec {in} {out} {q}' }, /a command without \{q\}, .* for decode, got "dec/);
    refuses({ settings: [] }, /a list of numbers for settings, got \[\]/);
    refuses({ settings: ['1'] }, /a list of numbers/);
    refuses({ picture: 'bmp' }, /png or ppm for picture, got "bmp"/);
    refuses({ version: 3 }, /a text for version/);
    expect(() => parseExternalCodec(null, 'cut.json')).toThrow(FormatError);
  });

  it('are read from one word', () => {
    expect(parseExternalText('cut=enc {in} {out} {q};dec {out} {in};1,2.5')).toEqual({
      name: 'cut',
      encode: 'enc {in} {out} {q}',
      decode: 'dec {out} {in}',
      settings: [1, 2.5],
    });
    expect(() => parseExternalText('cut=enc {in} {out};1')).toThrow(/NAME=ENCODE;DECODE;SETTINGS, got cut=/);
    expect(() => parseExternalText('cut=enc {in} {out};dec {in} {out};a')).toThrow(/a list of numbers/);
  });
});
