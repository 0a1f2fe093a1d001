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
const tensorFlowCompression = 'tensorflow/compression, results/image_compression/tecnick/PSNR_sRGB_RGB';
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
    'bpg',
    'BPG 4:4:4',
    `${tensorFlowCompression}/bpg444.txt (x265; every sixth of its QPs)`,
    [0.08661, 0.20236, 0.43003, 0.85731, 1.67354, 3.23401, 5.97518],
    [29.0291, 32.2444, 35.5225, 38.7883, 42.1623, 45.9125, 49.6859],
  ),
  anchor(
    'tecnick',
    'hyperprior',
    'bmshj2018-hyperprior',
    `${tensorFlowCompression}/balle-2018-iclr-opt-mse.txt (arXiv 1802.01436)`,
    [0.10546, 0.1548, 0.22837, 0.33098, 0.47108, 0.65527, 0.90526, 1.26215],
    [29.2344, 30.8624, 32.5713, 34.1462, 35.8678, 37.4203, 39.1921, 40.9754],
  ),
  anchor(
    'tecnick',
    'mean-hyperprior',
    'mbt2018-mean',
    `${tensorFlowCompression}/minnen-2018-neurips-no-context.txt (arXiv 1809.02736)`,
    [0.09759, 0.1437, 0.21793, 0.32183, 0.4541, 0.64338, 0.89499, 1.25454, 1.72166, 2.3121],
    [29.8254, 31.1589, 32.9013, 34.5962, 36.206, 37.8287, 39.5361, 41.179, 42.8783, 44.4159],
  ),
  anchor(
    'tecnick',
    'mbt2018',
    'mbt2018',
    `${tensorFlowCompression}/minnen-2018-neurips-opt-mse.txt (arXiv 1809.02736)`,
    [0.06634, 0.12679, 0.19806, 0.30044, 0.43311, 0.61516, 0.89146, 1.50777, 2.42591],
    [28.9655, 31.0793, 32.6879, 34.3988, 35.9466, 37.7222, 39.6118, 41.9904, 44.6658],
  ),
  anchor(
    'tecnick',
    'charm',
    'minnen2020',
    `${tensorFlowCompression}/minnen-2020-icip.txt (arXiv 2007.08739)`,
    [0.09651, 0.14863, 0.22217, 0.32924, 0.46803, 0.66063, 0.91703, 1.2856, 1.88634, 2.61385],
    [30.7681, 32.287, 33.8361, 35.4205, 36.9902, 38.5646, 40.1314, 41.7411, 43.9373, 45.9141],
  ),
  anchor(
    'tecnick',
    'tcm',
    'LIC-TCM large',
    'jmliu206/LIC_TCM, issue 1 (arXiv 2303.14978)',
    [0.128, 0.158, 0.221, 0.318, 0.428, 0.605],
    [32.06, 32.81, 34.35, 35.79, 37.23, 38.7],
  ),
  anchor(
    'tecnick',
    'mlic',
    'MLIC++',
    'JiangWeibeta/MLIC, results/tecnick/mlicplusplus_mse.json (arXiv 2307.15421)',
    [0.0894, 0.1332, 0.193, 0.287, 0.3987, 0.5469],
    [31.2742, 32.722, 34.1003, 35.6246, 36.9113, 38.1881],
  ),
  anchor(
    'tecnick',
    'hpcm',
    'HPCM-Base',
    'lyq133/LIC-HPCM, R-D_Data.md',
    [0.0992, 0.1358, 0.1955, 0.2812, 0.3942, 0.5607],
    [31.3661, 32.704, 34.1426, 35.623, 37.0529, 38.4279],
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
