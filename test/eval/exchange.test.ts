import { expect, it } from 'vitest';
import { csvOf, exchangeDocument } from '../../eval/exchange.js';
import { evaluateSteps, pictureFolder, stepCodec } from './step-codec.js';

const { dataset } = pictureFolder();

it('gives every measurement a row', async () => {
  const set = await dataset({ a: 64, 'b, "c"': 48 });
  const evaluation = await evaluateSteps(set, [stepCodec('ours', 1)]);
  const lines = csvOf(evaluation).trimEnd().split('\n');
  expect(lines).toHaveLength(11);
  expect(lines[0]).toBe(
    'codec,kind,image,setting,bytes,bpp,estimated_bpp,psnr,luma_psnr,ms_ssim,ssimulacra2,butteraugli,encode_seconds,decode_seconds',
  );
  const [{ bytes, bpp, psnr, lumaPsnr }] = evaluation.codecs[0].perImage;
  expect(lines[1]).toBe(`ours,ours,a.png,2,${bytes},${bpp},,${psnr},${lumaPsnr},,,,0.5,0.25`);
  expect(lines[6]).toContain('ours,ours,"b, ""c"".png",2,');
});

it("gives curves as CompressAI's tools read them, published ones too", async () => {
  const set = await dataset({ a: 48 }, 'kodak');
  const { codecs } = await evaluateSteps(set, [stepCodec('ours', 1)]);
  const { curve } = codecs[0];
  expect(exchangeDocument(codecs[0])).toEqual({
    name: 'ours',
    description: '1',
    results: {
      setting: [2, 3, 4, 5, 6],
      bpp: curve.map(({ bpp }) => bpp),
      'psnr-rgb': curve.map(({ psnr }) => psnr),
      'psnr-y': codecs[0].perImage.map(({ lumaPsnr }) => lumaPsnr),
      encoding_time: [0.5, 0.5, 0.5, 0.5, 0.5],
      decoding_time: [0.25, 0.25, 0.25, 0.25, 0.25],
    },
  });
  const published = exchangeDocument(codecs.at(-1)!) as { results: Record<string, number[]> };
  expect(Object.keys(published.results)).toEqual(['bpp', 'psnr-rgb']);
});
