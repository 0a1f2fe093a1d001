/**
 * The Kodak Lossless True Color Image Suite: 24 pictures of 768x512 or 512x768, PhotoCD PCD0992.
 * Released by Eastman Kodak for unrestricted use; http://r0k.us/graphics/kodak/ has the files.
 * For tests only: nothing is tuned or trained on them.
 */
import type { Manifest } from './dataset.js';

/** Width and height of the pictures. */
export const kodakSizes: readonly (readonly [number, number])[] = [
  [768, 512],
  [512, 768],
];

/** Every picture, by the name of its file. */
export const kodakManifest: Manifest = {
  'kodim01.png': {
    sha256: 'a56e27cbf5f843c048b6af1d6e090760e9c92fadba88b7dee0205918a37523bd',
    pixels: '83a90f67dc383ea1a7d1364b8b442092626128dd32c8c539b984bc1f877840c5',
  },
  'kodim02.png': {
    sha256: '4f4b74a79237e311d72cad958237b5f7088d8bce1c82305ebefe1a70e3022dfd',
    pixels: 'fb245f46ad433126197ea9389fabf24483725c15088b2ed7a44fd7efd08b5282',
  },
  'kodim03.png': {
    sha256: 'e25ca1ff2f0c0cb5fdfd5f9b0a0bb21ac4c3de3c84a67f35b09a85d3306249db',
    pixels: '109708b646249b8385f876503b622fad4bc29b79bfcd73ef75ece215809cea94',
  },
  'kodim04.png': {
    sha256: 'e3b946107c5d3441c022f678d0c3caf1e224d81b1604ba840a4f88e562de61aa',
    pixels: '2cff98361da80d0de1669e89ae37e4613488675b6eb4a51fc22fee3c0e76c6bd',
  },
  'kodim05.png': {
    sha256: '10349e963c5c813d327852f82c1795fa4148d69fedffc4c589bee458e3ac3d53',
    pixels: 'a1a2617b30897865b8e88b0a91d42790737ff69517d2ec2fb40302592bfe9cb2',
  },
  'kodim06.png': {
    sha256: '363510303b715d4cbc384e1ce227e466b613a09e1b71ae985882bf8e7fbd9b18',
    pixels: 'c3eb8a7de4d2fc490d483607a4fb373d2e728382d45036b56f8ea055481fbe4b',
  },
  'kodim07.png': {
    sha256: 'b77d3f006f42414bb242222e0482e750c0fb9e5ee8d4bed2f6f11c5605fe54a4',
    pixels: 'afa1bc8e043cde86d64f9bb28b4d869b484f9d0ff806ebad6446f8e3bfea6df1',
  },
  'kodim08.png': {
    sha256: 'ba23983c76b4832ee0e8af0592664756841a16779acd69f792e268fb6d13d6e7',
    pixels: 'f93073fbca1c9cb5d38349657cb6e5cb48031b149a8056d81f0af4d944b89e64',
  },
  'kodim09.png': {
    sha256: '6a4361c2fc194feb4edaa9f9a4a0620fb9943e460ac7fdf037fb0f6dd6607a7d',
    pixels: 'bfb0ec358cbf1fdd65190754836a8b8d5722c116edcafe5afd6436b61fe940c3',
  },
  'kodim10.png': {
    sha256: '9dfb70f5867c29ff9ed6313683f19b3d867849e40fbc0c4c54a4a89df341cf23',
    pixels: '678f40caeed728b274d06235ed7c09d187ea4f8129999204a7d381c64789f72a',
  },
  'kodim11.png': {
    sha256: '7936814b58b5387fce2e4e2488b4ec830dadd95fa9520f358ddb30990b50f2b6',
    pixels: '438f2737daf0418a65a7e99f12e2ba4dcc10de028df62265d110fb047b45b6b9',
  },
  'kodim12.png': {
    sha256: 'd78c37c2f04f23761ed2367dd77e2db584ddd4c3950833fecf89f199a8126980',
    pixels: '123e2bb28cf4179ab46700e7d8ab3196d8b288645a77e28f5491a56fe67789ef',
  },
  'kodim13.png': {
    sha256: 'bc34a3ce58dea09dce1704c997171602de90cb34d0c8503a988b77f473d39b08',
    pixels: 'f7aeca7b14d8356f7418f75974f67c9a485d458c67fb3789293e36dc6ed0acde',
  },
  'kodim14.png': {
    sha256: '55a94550ff18f3246c4074fd32b77b0c74447c26b6ad274d564d999c0450ba6e',
    pixels: '86ee5d5bc579f6ee50712382e9b9575aad317fa1441b9e87185a5a40ab202edf',
  },
  'kodim15.png': {
    sha256: '7538cbb80cb9103606c48b806eae57d56c885c7f90b9b3be70a41160f9cbb683',
    pixels: 'edd65b68b9e98faf7be2490a8d0ad936c41d54a6089d59ec609e7d17ae7f3a2f',
  },
  'kodim16.png': {
    sha256: 'a89c7268ccd4718ba424a99fc4643c572cf692ca6eae887185ceb4e9f11d2e54',
    pixels: '485a2838a85ccd45b6753b91027c400f16eb86f465b8a2a9f43663ad933f1d32',
  },
  'kodim17.png': {
    sha256: '37afcc89fbdcb76d9518e04b2fc011027e2f4cd14b3b2f83cefd721641a47c5b',
    pixels: '9811cad5b13dc42d93a0bead8d57ce84802c15fd44ffebcc9e48d52d128a4db9',
  },
  'kodim18.png': {
    sha256: '1a9258c365988961d87a0598725b609139c303ad48a5aad6c503c3b1a87849aa',
    pixels: 'dc41864448bae91f75409e0c5084f5dae3bd0306ab9fd7813ec9fc83792bccb3',
  },
  'kodim19.png': {
    sha256: 'b7450b264b1b0a411390d8931b112c27905a992520fc90569dc4b920aa32bbdc',
    pixels: 'eba6f10daec87e84d7c07c8243b611a4d8ff846f8b2ec9f3842ec9b69e00bc2b',
  },
  'kodim20.png': {
    sha256: '3b46c71e3b92a563820ba32936be8330c586c41f938efd94be938386aae4328a',
    pixels: '0c8cb351c61a6fa47c15bf3069cb74513b7963490266bad034ee9f957d34a7a3',
  },
  'kodim21.png': {
    sha256: 'ac958597c82073f6bb65129c68f72b651db5b9efd82e11547d07350214bc268b',
    pixels: '9e505f36fd30562ea2379ec9745a41805fdd657d3677c6a419f6b7e8f8aabe65',
  },
  'kodim22.png': {
    sha256: '1cee58eb1f2d9c7ebb254d208a03c783ce6cf2c4d8c2cf45e235dd23b4ce1b29',
    pixels: 'cc5e03a272a930b6cca103b0e6ff1ebe715df09911f64078053b036c86f155f3',
  },
  'kodim23.png': {
    sha256: 'e3111a2fd4da24af15d6459ef9eacfe54106b38e27b4a21821b75c3f5d2d5baf',
    pixels: '432811bc013b060b26e0d17da57d0b85f247f0862b6d86a12036052a783054ef',
  },
  'kodim24.png': {
    sha256: '1071c68372cc5a01435c2c225a5cf7d4bb803846ec08bb6b3d6721b156d7cb96',
    pixels: 'd82e6029f59dafbb9eb0e4e99398abf299c6d20a9e9fdc823b52066593a00378',
  },
};
