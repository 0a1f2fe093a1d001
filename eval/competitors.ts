/**
 * The competitors that run everywhere: JPEG, mozjpeg, WebP and AVIF through sharp, each over the qualities that cover
 * about 0.15 to 3 bits per pixel on photographs.
 *
 * JPEG is 4:4:4 with optimised Huffman tables (libjpeg's own quantization tables, baseline), mozjpeg 4:4:4 with its trellis
 * and progressive scans, AVIF 4:4:4 at effort 4. WebP has 4:2:0 only, which limits its PSNR at high rates; it gets effort
 * 6 and sharp YUV conversion.
 */
import type { Sharp } from 'sharp';
import { UnsupportedError, UsageError } from '../src/errors.js';
import { createImage, type Image } from '../src/io/index.js';
import type { ImageCodec } from './codecs.js';

type SharpModule = typeof import('sharp').default;

interface Competitor {
  readonly name: string;
  /** Library in sharp.versions that does the work, and the options that matter. */
  readonly library: string;
  readonly options: string;
  readonly settings: readonly number[];
  readonly write: (picture: Sharp, quality: number) => Sharp;
}

const known: readonly Competitor[] = [
  {
    name: 'jpeg',
    library: 'mozjpeg',
    options: '4:4:4, baseline, optimised Huffman',
    settings: [5, 10, 20, 35, 50, 65, 80, 90, 95],
    write: (picture, quality) => picture.jpeg({ quality, chromaSubsampling: '4:4:4', mozjpeg: false }),
  },
  {
    name: 'mozjpeg',
    library: 'mozjpeg',
    options: '4:4:4, trellis, progressive',
    settings: [5, 10, 20, 35, 50, 65, 80, 90, 95],
    write: (picture, quality) => picture.jpeg({ quality, chromaSubsampling: '4:4:4', mozjpeg: true }),
  },
  {
    name: 'webp',
    library: 'webp',
    options: '4:2:0, effort 6, sharp YUV',
    settings: [1, 10, 25, 45, 65, 80, 90, 96],
    write: (picture, quality) => picture.webp({ quality, effort: 6, smartSubsample: true }),
  },
  {
    name: 'avif',
    library: 'aom',
    options: '4:4:4, effort 4',
    settings: [15, 25, 35, 45, 55, 65, 75, 85],
    write: (picture, quality) => picture.avif({ quality, effort: 4, chromaSubsampling: '4:4:4' }),
  },
];

/** Names of the competitors. */
export const competitorNames: readonly string[] = known.map(({ name }) => name);

async function loadSharp(): Promise<SharpModule> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    throw new UnsupportedError('Expected the package sharp for competitors but it does not load', {
      cause: error,
    });
  }
}

function codecOf(sharp: SharpModule, competitor: Competitor): ImageCodec {
  const { name, library, options, settings, write } = competitor;
  const versions = sharp.versions as Readonly<Record<string, string | undefined>>;
  return {
    name,
    version: `${library} ${versions[library] ?? 'unknown'}, sharp ${versions.sharp}, ${options}`,
    settings,
    async encode({ width, height, channels, data }: Image, quality) {
      const start = performance.now();
      const picture = sharp(data, { raw: { width, height, channels } });
      const bytes = await write(picture, quality).toBuffer();
      return { bytes, seconds: (performance.now() - start) / 1000 };
    },
    async decode(bytes) {
      const start = performance.now();
      const { data, info } = await sharp(bytes)
        .removeAlpha()
        .toColourspace('srgb')
        .raw()
        .toBuffer({ resolveWithObject: true });
      const seconds = (performance.now() - start) / 1000;
      return { image: createImage(info.width, info.height, info.channels as 1 | 3, data), seconds };
    },
  };
}

/**
 * The competitors of those names.
 *
 * @param threads threads of sharp, shared by all of this process; 0 leaves its choice
 * @throws UsageError for an unknown name, UnsupportedError where sharp does not load
 * @example
 * const [avif] = await competitorCodecs(['avif']);
 * const { bytes } = await avif.encode(image, 50);
 */
export async function competitorCodecs(
  names: readonly string[] = competitorNames,
  threads = 0,
): Promise<ImageCodec[]> {
  const wanted = names.map((name) => {
    const found = known.find((competitor) => competitor.name === name);
    if (!found) {
      throw new UsageError(`competitor: expected one of ${competitorNames.join(', ')}, got ${name}`);
    }
    return found;
  });
  if (wanted.length === 0) return [];
  const sharp = await loadSharp();
  if (threads > 0) sharp.concurrency(threads);
  return wanted.map((competitor) => codecOf(sharp, competitor));
}
