import { describe, expect, it } from 'vitest';
import { evaluationText, parseEvaluation, readJson, writeJson } from '../../eval/evaluation.js';
import { FormatError } from '../../src/errors.js';
import { evaluateSteps, pictureFolder, stepCodec } from './step-codec.js';

const { dataset } = pictureFolder();

describe('an evaluation as a file', () => {
  it('is the same when it is read again, infinities included', async () => {
    const set = await dataset({ a: 64 });
    const evaluation = await evaluateSteps(set, [stepCodec('ours', 1)]);
    const [codec] = evaluation.codecs;
    const lossless = { ...codec.perImage[0]!, psnr: Number.POSITIVE_INFINITY };
    const codecs = [{ ...codec, perImage: [lossless] } as typeof codec];
    expect(parseEvaluation(evaluationText({ ...evaluation, codecs }), 'a.json')).toEqual({
      ...evaluation,
      codecs,
    });
    expect(readJson(writeJson([1, Number.POSITIVE_INFINITY]))).toEqual([1, Number.POSITIVE_INFINITY]);
  });

  it.each([
    ['no JSON', /a\.json: expected the JSON file of an evaluation, got other text/],
    ['null', /a\.json: expected an evaluation, got JSON of another kind/],
    ['{"formatVersion": 1}', /got JSON of another kind/],
    ['{"formatVersion": 2}', /expected an evaluation of format version 1, got 2/],
  ])('refuses %s', (text, reason) => {
    expect(() => parseEvaluation(text, 'a.json')).toThrow(FormatError);
    expect(() => parseEvaluation(text, 'a.json')).toThrow(reason);
  });
});
