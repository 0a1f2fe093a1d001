/**
 * TecNick TESTIMAGES, set RGB OR 1200x1200: the 30 of its 100 pictures whose numbers end in 2, 5 or 8, as lossless WebP
 * with the pixels of the originals (https://testimages.org). Published means are over all 100, so means over these 30
 * are for comparing codecs that were run on the same 30.
 * Licence CC BY-NC-SA 3.0. For tests only: nothing is tuned or trained on them.
 */
import type { Manifest } from './dataset.js';

/** Width and height of the pictures. */
export const tecnickSizes: readonly (readonly [number, number])[] = [[1200, 1200]];

/** Every picture, by the name of its file. */
export const tecnickManifest: Manifest = {
  'RGB_OR_1200x1200_002.webp': {
    sha256: '82d4114e17fe1ddac8544ef4c3b9502a7d3e82811ad8b1e62f90042cda346387',
    pixels: 'e0a38ada276176dc49b0dbaac308099aba1a8608e703de2b06da671e6081489f',
  },
  'RGB_OR_1200x1200_005.webp': {
    sha256: 'ffe62e4a7ba1c4189697fd48032707c24146e5e16258e96be8b417cec8290d02',
    pixels: '7be7bdbc61e939706dd7a8e734c8624f9f905e92e1ec7c591d0234a822a5f407',
  },
  'RGB_OR_1200x1200_008.webp': {
    sha256: '711e63e8805385f9ea70c1b76b4e1f4770ed9f390c31aa9e34989046bfe650cc',
    pixels: '1901f29b94ebac73e27fc9e20d0487a10c266478b05ef07a0e3383d5c8e2f822',
  },
  'RGB_OR_1200x1200_012.webp': {
    sha256: '9d35ffc4f8eacb4a5f143f2f98bb6d632d5fba0de617797591851474cbcae3c8',
    pixels: '2695e83aac74d571793d85947de99edb5668099af9d4e23f0ce4aa3b0acf86d5',
  },
  'RGB_OR_1200x1200_015.webp': {
    sha256: '40f147a7a5bdcc4a4d61541dc57007e1879b472b22eebbeec7a3647de869d9cf',
    pixels: '4df94ebf42326f6945576337f4aa81e2d126d49f04c75b199428c8bada03597c',
  },
  'RGB_OR_1200x1200_018.webp': {
    sha256: '2536c162f48813adb96a536bd5e104fc005c807416b434b9dd07f0e365c35d15',
    pixels: '59209ee6a9be5fb054e84f734a327b20a54f4dbf3c700d66ff6417e81cbbd3bf',
  },
  'RGB_OR_1200x1200_022.webp': {
    sha256: '919ba9caae3049258fe553f8d2cd3a3ed2a332c255240e05428ac6911e0d5a02',
    pixels: '414589481646974e3ae2294599a68fb806cbcc84210aa6089149cc39d471fd32',
  },
  'RGB_OR_1200x1200_025.webp': {
    sha256: 'ae697a4d8eaf64b6c60b1ef981efaf12dd7b4d17b0a7c3b0d9bf0685680a09b7',
    pixels: 'a2fa9488b3d502bb5835699a24750e35f3d8cad5ce60704f980903ef8e55460f',
  },
  'RGB_OR_1200x1200_028.webp': {
    sha256: 'b3fe2f803d5541fda50024baa43f833bf181c361a61ec6d7b1ad596faa8a4b0e',
    pixels: '20ea006d83f9a13db03c1f6c178aad393279cda9d35793c0f55bca839da9c4da',
  },
  'RGB_OR_1200x1200_032.webp': {
    sha256: '240b6039b35e3fac263b314dd36c869a00210400c4dde75446f89f3b805d2f22',
    pixels: '9bbabfd16bb7bd4e906d75d9dcd304925fae34f3ea65d71f71f9657ad5ce9ec0',
  },
  'RGB_OR_1200x1200_035.webp': {
    sha256: 'ffaa371511b098da459590224291f2eb9399710ab1b1976b0eb3fcdecfccb114',
    pixels: '217ffa0195f376a0b357ff19d2631585774bdee8305950109f27bab5a6c550e3',
  },
  'RGB_OR_1200x1200_038.webp': {
    sha256: '33dce15f942681ebcd344629f3a299a9b06de2339ad701da2c4be003ae145918',
    pixels: '60774eeedc89410895703945db72619250f166d9f5a64d4ceceb54ca12fbd3ce',
  },
  'RGB_OR_1200x1200_042.webp': {
    sha256: '1db92726fa5dae2c07730522e393732f595ed33c16e4c5f8a0cb8511459f987a',
    pixels: 'c2cfa2560c2d3fdfe65bc369c35f5a2777d00f5afb0bdb92e3a4e6f1cb7042a1',
  },
  'RGB_OR_1200x1200_045.webp': {
    sha256: '8d70d669e28b761494071c09ca89ec4820c555467208c1a19345206ff7f738cb',
    pixels: 'a41389eda252e0303858f07892a76946de4c6a3001c1b381956b9b347909f2ee',
  },
  'RGB_OR_1200x1200_048.webp': {
    sha256: 'a4bd0cc41d04a65856267efdd0adbd4e52303591b044a25c24cdfba9e8042251',
    pixels: '34b44fee6ea37efb2c100f5b166bfdfd5938b25ae8eb6fd418033caf74d320c5',
  },
  'RGB_OR_1200x1200_052.webp': {
    sha256: '911c3e0f2ff38faa4cf9dd8d4797629dc7ffb1ab47b5ee16f0072c2b4cad3222',
    pixels: '7f878ab453c4fa8079c80a7617f272d18b910948be71a32462a70b718b559250',
  },
  'RGB_OR_1200x1200_055.webp': {
    sha256: '4d3628d1d93dde046e9ac9c897189e40750b9310c026ece8bc093c5199fd0cc7',
    pixels: '2ed8a95701a5992e6cfe822bf26c6f9ef826d5e436579a286095b8a2ae97fc34',
  },
  'RGB_OR_1200x1200_058.webp': {
    sha256: '33474992c121eaeeb30d39134d3654be8a4ebb3e6123db10258d449c91f09c6d',
    pixels: '397c62163eb106ba04d888030cc17491a7a1472e2e25d8e5e417839803aa7fb0',
  },
  'RGB_OR_1200x1200_062.webp': {
    sha256: '89439f6b0281ffe3ecea8e3b2a9e19ec67efe4eb27226f8eb00c194ad687071e',
    pixels: 'cd6fa91716373b895713fdd3db01e9ab7743ac16f72742fd9f7307384369a1fb',
  },
  'RGB_OR_1200x1200_065.webp': {
    sha256: 'ba0b2c6fa69b604e62e3729670d2a62efcafbf314a2da73ed5f33f64b038d226',
    pixels: 'eed9f4c561beee99f00f36a55d54d4e697ce62ae90d5f21e551695d805abf253',
  },
  'RGB_OR_1200x1200_068.webp': {
    sha256: 'd7648ef16040e723b9df31c9d6c6c71cc23dec814c5b77e75d91d92cd3f43e78',
    pixels: '29c486c927bae7a3e348f1e6433a3c48d700d6de3cb5471716bd4dc8950aed7b',
  },
  'RGB_OR_1200x1200_072.webp': {
    sha256: '57b006340c47d45ca10b805cefa80e84023ee0247d657bedb09cd7a7b202b00d',
    pixels: 'f9d7b94a1767d56a1841d72875fa588386a1a0afd4f327a4f9974f2a8b11bbf3',
  },
  'RGB_OR_1200x1200_075.webp': {
    sha256: '23c5ad1a855e330c619a2382892c8a72e32586c5ced59961e60277aeb1eaf68d',
    pixels: 'b7b60ee0cd615dc734f06cc09033e33680d57d4e54af511da7c5e9c23c529036',
  },
  'RGB_OR_1200x1200_078.webp': {
    sha256: '0be052ce5b6f73bee7d520e080e5931f2929a0a555fbdea9c998d9346af6d858',
    pixels: 'aae9e353138f18512b857fe541e41026ffb7a48146131cd87f07f0b7b0cd860d',
  },
  'RGB_OR_1200x1200_082.webp': {
    sha256: '3d188b8c78d482c2d698e4b510fbe3993ca74bcd452e4b1c91d7d3e2b2a3a5e7',
    pixels: '3f85353ac01cfdc5aa8d1882de9bd0d0459bc901fc702545cc777db14c67d66e',
  },
  'RGB_OR_1200x1200_085.webp': {
    sha256: '893cc51a4cec92b1273faaddf0f77495ceb05920f066dad3f934c6a8b3a42538',
    pixels: 'a9e7390cb2bf395f115f07bb03a502fd2c530348a2baf62807eda34487553471',
  },
  'RGB_OR_1200x1200_088.webp': {
    sha256: 'cce97c51b1fca09aba212b47b32aacb8e9edb6581321c02dc3ffb08fa551bc3a',
    pixels: '9fd8440c38eacb7bbbdf9b904ff8cb41e20c0fce530688876c8746e63ffe419d',
  },
  'RGB_OR_1200x1200_092.webp': {
    sha256: 'd6b21bc4e2fedffcd6523c6d196659255e91d1ecc6af7a1944b5284d2a386b37',
    pixels: 'c46706426f63339e1b3c70485665a2a77e497edc71b9fedcb22ff14c5afb9741',
  },
  'RGB_OR_1200x1200_095.webp': {
    sha256: 'fe68542f913114d48a062f02ee054e0cbbcbece587cefb0b0440445091a15951',
    pixels: 'af4be76e35c2b9d75f1cbdca702fd2090f918dd63249a8cbe34947d572d2ced5',
  },
  'RGB_OR_1200x1200_098.webp': {
    sha256: '8cd5e72cf0024757c4f65d3ac2a32b0e350a084bf5b3adb48e15917442b09fad',
    pixels: '713f5a59919744648e9776b1aea69ac141d462821fbe5e26e26afc415b87296f',
  },
};
