/**
 * TecNick TESTIMAGES, set RGB OR 1200x1200: the 30 of its 100 pictures whose numbers end in 2, 5 or 8, as lossless WebP
 * with the pixels of the originals (https://testimages.org). Published means are over all 100, so means over these 30
 * are for comparing codecs that were run on the same 30.
 * Licence CC BY-NC-SA 3.0. For tests only: nothing is tuned or trained on them.
 */
import type { Manifest } from './dataset.js';

/** SHA-256 of every file. */
export const tecnickManifest: Manifest = {
  'RGB_OR_1200x1200_002.webp': '82d4114e17fe1ddac8544ef4c3b9502a7d3e82811ad8b1e62f90042cda346387',
  'RGB_OR_1200x1200_005.webp': 'ffe62e4a7ba1c4189697fd48032707c24146e5e16258e96be8b417cec8290d02',
  'RGB_OR_1200x1200_008.webp': '711e63e8805385f9ea70c1b76b4e1f4770ed9f390c31aa9e34989046bfe650cc',
  'RGB_OR_1200x1200_012.webp': '9d35ffc4f8eacb4a5f143f2f98bb6d632d5fba0de617797591851474cbcae3c8',
  'RGB_OR_1200x1200_015.webp': '40f147a7a5bdcc4a4d61541dc57007e1879b472b22eebbeec7a3647de869d9cf',
  'RGB_OR_1200x1200_018.webp': '2536c162f48813adb96a536bd5e104fc005c807416b434b9dd07f0e365c35d15',
  'RGB_OR_1200x1200_022.webp': '919ba9caae3049258fe553f8d2cd3a3ed2a332c255240e05428ac6911e0d5a02',
  'RGB_OR_1200x1200_025.webp': 'ae697a4d8eaf64b6c60b1ef981efaf12dd7b4d17b0a7c3b0d9bf0685680a09b7',
  'RGB_OR_1200x1200_028.webp': 'b3fe2f803d5541fda50024baa43f833bf181c361a61ec6d7b1ad596faa8a4b0e',
  'RGB_OR_1200x1200_032.webp': '240b6039b35e3fac263b314dd36c869a00210400c4dde75446f89f3b805d2f22',
  'RGB_OR_1200x1200_035.webp': 'ffaa371511b098da459590224291f2eb9399710ab1b1976b0eb3fcdecfccb114',
  'RGB_OR_1200x1200_038.webp': '33dce15f942681ebcd344629f3a299a9b06de2339ad701da2c4be003ae145918',
  'RGB_OR_1200x1200_042.webp': '1db92726fa5dae2c07730522e393732f595ed33c16e4c5f8a0cb8511459f987a',
  'RGB_OR_1200x1200_045.webp': '8d70d669e28b761494071c09ca89ec4820c555467208c1a19345206ff7f738cb',
  'RGB_OR_1200x1200_048.webp': 'a4bd0cc41d04a65856267efdd0adbd4e52303591b044a25c24cdfba9e8042251',
  'RGB_OR_1200x1200_052.webp': '911c3e0f2ff38faa4cf9dd8d4797629dc7ffb1ab47b5ee16f0072c2b4cad3222',
  'RGB_OR_1200x1200_055.webp': '4d3628d1d93dde046e9ac9c897189e40750b9310c026ece8bc093c5199fd0cc7',
  'RGB_OR_1200x1200_058.webp': '33474992c121eaeeb30d39134d3654be8a4ebb3e6123db10258d449c91f09c6d',
  'RGB_OR_1200x1200_062.webp': '89439f6b0281ffe3ecea8e3b2a9e19ec67efe4eb27226f8eb00c194ad687071e',
  'RGB_OR_1200x1200_065.webp': 'ba0b2c6fa69b604e62e3729670d2a62efcafbf314a2da73ed5f33f64b038d226',
  'RGB_OR_1200x1200_068.webp': 'd7648ef16040e723b9df31c9d6c6c71cc23dec814c5b77e75d91d92cd3f43e78',
  'RGB_OR_1200x1200_072.webp': '57b006340c47d45ca10b805cefa80e84023ee0247d657bedb09cd7a7b202b00d',
  'RGB_OR_1200x1200_075.webp': '23c5ad1a855e330c619a2382892c8a72e32586c5ced59961e60277aeb1eaf68d',
  'RGB_OR_1200x1200_078.webp': '0be052ce5b6f73bee7d520e080e5931f2929a0a555fbdea9c998d9346af6d858',
  'RGB_OR_1200x1200_082.webp': '3d188b8c78d482c2d698e4b510fbe3993ca74bcd452e4b1c91d7d3e2b2a3a5e7',
  'RGB_OR_1200x1200_085.webp': '893cc51a4cec92b1273faaddf0f77495ceb05920f066dad3f934c6a8b3a42538',
  'RGB_OR_1200x1200_088.webp': 'cce97c51b1fca09aba212b47b32aacb8e9edb6581321c02dc3ffb08fa551bc3a',
  'RGB_OR_1200x1200_092.webp': 'd6b21bc4e2fedffcd6523c6d196659255e91d1ecc6af7a1944b5284d2a386b37',
  'RGB_OR_1200x1200_095.webp': 'fe68542f913114d48a062f02ee054e0cbbcbece587cefb0b0440445091a15951',
  'RGB_OR_1200x1200_098.webp': '8cd5e72cf0024757c4f65d3ac2a32b0e350a084bf5b3adb48e15917442b09fad',
};
