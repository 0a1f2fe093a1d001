/**
 * Published rate-distortion curves to compare with.
 *
 * Every PSNR is over RGB, per image, then averaged over the whole set (24 images of Kodak, 100 of TecNick), which is how
 * evaluations average (measure.ts). The numbers are facts taken from the files and papers named in `source`, rates rounded to
 * 1e-5 bits per pixel and PSNR to 1e-4 dB. Do not compare means over a part of a set with them.
 */
import type { RateCurve } from './bd-rate.js';

/** A published curve. */
export interface Anchor {
  /** Short name for options and tables. */
  readonly id: string;
  readonly title: string;
  readonly dataset: 'kodak' | 'tecnick';
  /** Where the numbers were published. */
  readonly source: string;
  readonly curve: RateCurve;
}

function anchor(
  dataset: Anchor['dataset'],
  id: string,
  title: string,
  source: string,
  rates: readonly number[],
  decibels: readonly number[],
): Anchor {
  return { id, title, dataset, source, curve: rates.map((bpp, i) => ({ bpp, psnr: decibels[i] })) };
}

const compressAi = 'InterDigitalInc/CompressAI, results/image/kodak';
const lalic = 'sjtu-medialab/RwkvCompress, results';

/** All published curves, best known first within a set. */
export const anchors: readonly Anchor[] = [
  anchor(
    'kodak',
    'vtm',
    'VTM 9.1',
    `${compressAi}/vtm.json`,
    [0.04824, 0.1125, 0.24582, 0.49055, 0.87481, 1.43085, 2.32461, 3.63261],
    [26.1448, 28.493, 31.1999, 34.2615, 37.4198, 40.4244, 43.5058, 46.5918],
  ),
  anchor(
    'kodak',
    'bpg',
    'BPG 4:4:4',
    `${compressAi}/bpg_444_x265_ycbcr.json (BPG 0.9.8, x265)`,
    [0.06777, 0.16102, 0.35155, 0.6847, 1.19967, 1.92971, 3.05788, 4.70314],
    [26.1951, 28.6815, 31.5947, 34.8575, 38.2599, 41.4789, 44.7031, 47.6325],
  ),
  anchor(
    'kodak',
    'hyperprior',
    'bmshj2018-hyperprior',
    `${compressAi}/compressai-bmshj2018-hyperprior_mse_cuda.json (arXiv 1802.01436)`,
    [0.13129, 0.20889, 0.31986, 0.47836, 0.66869, 0.93883, 1.25917, 1.66022],
    [27.5815, 29.1967, 30.9722, 32.8382, 34.5263, 36.7433, 38.5838, 40.5569],
  ),
  anchor(
    'kodak',
    'mean-hyperprior',
    'mbt2018-mean',
    `${compressAi}/compressai-mbt2018-mean_mse_cuda.json (arXiv 1809.02736)`,
    [0.12392, 0.19798, 0.30724, 0.46061, 0.66167, 0.9144, 1.23421, 1.61909],
    [27.6995, 29.3588, 31.1289, 32.9507, 34.9683, 36.9111, 38.8375, 40.6333],
  ),
  anchor(
    'kodak',
    'cheng2020',
    'cheng2020-anchor',
    `${compressAi}/compressai-cheng2020-anchor_mse_cuda.json (arXiv 2001.01568)`,
    [0.11959, 0.1838, 0.27095, 0.41738, 0.59447, 0.80574],
    [28.5824, 29.9693, 31.3428, 33.3903, 35.1189, 36.7041],
  ),
  anchor(
    'kodak',
    'elic',
    'ELIC',
    `${compressAi}/paper-elic2022_mse.json (arXiv 2203.10886)`,
    [0.1235, 0.1965, 0.3337, 0.4908, 0.7041, 0.8573],
    [29.113, 30.698, 32.784, 34.577, 36.488, 37.624],
  ),
  anchor(
    'kodak',
    'evc-l',
    'EVC-L',
    'microsoft/DCVC, EVC; agrees with figure 17b of arXiv 2302.05071',
    [0.3284, 0.5008, 0.7319, 0.9813],
    [32.475, 34.475, 36.418, 37.865],
  ),
  anchor(
    'kodak',
    'evc-s',
    'EVC-S',
    'microsoft/DCVC, EVC (arXiv 2302.05071)',
    [0.3393, 0.5143, 0.7501, 1.0012],
    [32.32, 34.241, 36.089, 37.401],
  ),
  anchor(
    'kodak',
    'lalic',
    'LALIC',
    `${lalic}/kodak-lalic.json (arXiv 2502.05741)`,
    [0.11484, 0.18617, 0.28569, 0.42576, 0.6013, 0.83064],
    [29.2557, 30.854, 32.5552, 34.3116, 36.0958, 37.9333],
  ),
  anchor(
    'tecnick',
    'vtm',
    'VTM 9.1',
    `${lalic}/tecnick-vtm91.json`,
    [0.04323, 0.09104, 0.18022, 0.33785, 0.60696, 1.07141],
    [27.7651, 30.3325, 32.9459, 35.6338, 38.1924, 40.7799],
  ),
  anchor(
    'tecnick',
    'lalic',
    'LALIC',
    `${lalic}/tecnick-lalic.json (arXiv 2502.05741)`,
    [0.09934, 0.14632, 0.20406, 0.29103, 0.40531, 0.56504],
    [31.3576, 32.865, 34.3428, 35.8192, 37.2566, 38.7382],
  ),
];

/** The published curves of a data set; none for other sets. */
export function anchorsOf(dataset: string): Anchor[] {
  return anchors.filter((candidate) => candidate.dataset === dataset);
}
