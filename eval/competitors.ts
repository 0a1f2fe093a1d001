/**
 * The competitors: JPEG, mozjpeg, WebP and AVIF through sharp, and JPEG XL through cjxl and djxl where they are installed,
 * each over the qualities that cover about 0.15 to 3 bits per pixel on photographs.
 *
 * JPEG is 4:4:4 with optimised Huffman tables (libjpeg's own quantization tables, baseline), mozjpeg 4:4:4 with its trellis
 * and progressive scans, AVIF 4:4:4, JPEG XL in its own XYB. WebP has 4:2:0 only, which limits its PSNR at high rates; it
 * gets sharp YUV conversion. A name may say an effort: `avif:1` is AVIF at effort 1, which is fast, `avif` at its default.
 */
import type { Sharp } from 'sharp';
import { UnsupportedError, UsageError } from '../src/errors.js';
import { createImage, type Image } from '../src/io/index.js';
import type { ImageCodec } from './codecs.js';
import { externalCodec } from './external.js';

type SharpModule = typeof import('sharp').default;

/** Efforts of a codec, from fast to small. */
interface Efforts {
  readonly least: number;
  readonly most: number;
  readonly byDefault: number;
}

interface Competitor {
  readonly name: string;
  /** The options that matter, besides the effort. */
  readonly options: string;
  readonly settings: readonly number[];
  readonly efforts?: Efforts;
}

/** A codec inside sharp. */
interface SharpCompetitor extends Competitor {
  /** Library in sharp.versions that does the work. */
  readonly library: string;
  readonly write: (picture: Sharp, quality: number, effort: number) => Sharp;
}

const inSharp: readonly SharpCompetitor[] = [
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
    options: '4:2:0, sharp YUV',
    settings: [1, 10, 25, 45, 65, 80, 90, 96],
    efforts: { least: 0, most: 6, byDefault: 6 },
    write: (picture, quality, effort) => picture.webp({ quality, effort, smartSubsample: true }),
  },
  {
    name: 'avif',
    library: 'aom',
    options: '4:4:4',
    settings: [15, 25, 35, 45, 55, 65, 75, 85],
    efforts: { least: 0, most: 9, byDefault: 4 },
    write: (picture, quality, effort) => picture.avif({ quality, effort, chromaSubsampling: '4:4:4' }),
  },
];

/** JPEG XL runs as two programs. */
const jpegXl = {
  name: 'jxl',
  options: 'XYB, VarDCT',
  settings: [10, 25, 40, 55, 68, 78, 86, 92],
  efforts: { least: 1, most: 9, byDefault: 7 },
} as const satisfies Competitor;

/** Competitors that run wherever sharp does; an evaluation has them unless told otherwise. */
export const defaultCompetitors: readonly string[] = inSharp.map(({ name }) => name);

/** Names of all competitors. */
export const competitorNames: readonly string[] = [...defaultCompetitors, jpegXl.name];

/** A competitor with its effort, if it has any. */
interface Wanted {
  readonly competitor: SharpCompetitor | typeof jpegXl;
  readonly effort?: number;
}

/** Reads `name` or `name:effort`. */
function parseCompetitor(text: string): Wanted {
  const [name, effortText] = text.split(':');
  const competitor = name === jpegXl.name ? jpegXl : inSharp.find((one) => one.name === name);
  if (!competitor) {
    throw new UsageError(`competitor: expected one of ${competitorNames.join(', ')}, got ${name}`);
  }
  const { efforts } = competitor;
  if (effortText === undefined) return { competitor, ...(efforts ? { effort: efforts.byDefault } : {}) };
  const effort = Number(effortText);
  if (!efforts) throw new UsageError(`competitor: expected ${name} without an effort, got ${text}`);
  if (effortText === '' || !Number.isInteger(effort) || effort < efforts.least || effort > efforts.most) {
    throw new UsageError(
      `competitor: expected an effort from ${efforts.least} to ${efforts.most} for ${name}, got ${effortText}`,
    );
  }
  return { competitor, effort };
}

async function loadSharp(): Promise<SharpModule> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    throw new UnsupportedError('Expected the package sharp for competitors but it does not load', {
      cause: error,
    });
  }
}

function sharpCodec(
  sharp: SharpModule,
  { library, options, settings, write }: SharpCompetitor,
  name: string,
  effort: number | undefined,
): ImageCodec {
  const versions = sharp.versions as Readonly<Record<string, string | undefined>>;
  return {
    name,
    version: [
      `${library} ${versions[library] ?? 'unknown'}`,
      `sharp ${versions.sharp}`,
      options,
      ...(effort === undefined ? [] : [`effort ${effort}`]),
    ].join(', '),
    settings,
    async encode({ width, height, channels, data }: Image, quality) {
      const start = performance.now();
      const picture = sharp(data, { raw: { width, height, channels } });
      const bytes = await write(picture, quality, effort ?? 0).toBuffer();
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

function jpegXlCodec(name: string, effort: number, threads: number): Promise<ImageCodec> {
  const template = {
    name,
    encode: `cjxl {in} {out} -q {q} -e ${effort} --num_threads={threads} --quiet`,
    decode: 'djxl {in} {out} --num_threads={threads} --quiet',
    settings: jpegXl.settings,
    picture: 'ppm',
    extension: '.jxl',
    version: 'cjxl --version',
  } as const;
  return externalCodec(template, threads);
}

/**
 * Checks the name of a competitor.
 *
 * @throws UsageError for an unknown name or effort
 * @example
 * checkCompetitor('avif:6');
 */
export function checkCompetitor(name: string): void {
  parseCompetitor(name);
}

/**
 * The competitors of those names, in their order; `name:effort` for another effort than the default.
 *
 * @param threads threads of sharp, shared by all of this process, and of programs; 0 leaves the choice to them
 * @throws UsageError for an unknown name or effort, UnsupportedError where sharp does not load or a program is not
 *   installed
 * @example
 * const [avif] = await competitorCodecs(['avif:6']);
 * const { bytes } = await avif.encode(image, 50);
 */
export async function competitorCodecs(
  names: readonly string[] = defaultCompetitors,
  threads = 0,
): Promise<ImageCodec[]> {
  const wanted = names.map(parseCompetitor);
  const codecs: ImageCodec[] = [];
  for (const [n, { competitor, effort }] of wanted.entries()) {
    if (competitor.name === jpegXl.name) codecs.push(await jpegXlCodec(names[n], effort!, threads));
    else {
      const sharp = await loadSharp();
      if (threads > 0) sharp.concurrency(threads);
      codecs.push(sharpCodec(sharp, competitor as SharpCompetitor, names[n], effort));
    }
  }
  return codecs;
}
