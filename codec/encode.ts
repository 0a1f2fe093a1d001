/**
 * Encodes a picture: analysis (any engine), then entropy coding tile by tile (exact). Pictures beyond `tileThreshold`
 * pixels are cut into tiles that are coded independently; the analysis of a tile sees a halo of the picture around it,
 * so that no seam arises.
 */
import { UsageError } from '../src/errors.js';
import { createImage, type Image, splitAlpha } from '../src/io/image.js';
import { encodePng } from '../src/io/png.js';
import { checkedThreads, checkTileSize, type Stopwatch, stopwatch } from './checks.js';
import { type Coder, coderOf } from './coder.js';
import type { CodingObserver } from './entropy-model.js';
import {
  checkPixelLimit,
  defaultMaxPixels,
  haloOf,
  latentStride,
  quantizerIds,
  type Rect,
  snapQuality,
  type Tile,
  tileGrid,
  tiles,
  writeContainer,
} from './format/index.js';
import { loadModel } from './model/load.js';
import type { ParsedModel } from './model/model-file.js';
import { ratePointOf } from './model/rate-point.js';
import { checkQuality } from './networks/config.js';
import { toPlanes } from './pixels.js';
import { quantizationOf, quantizerOf } from './quantizers/registry.js';
import type { AnalysedArea, EngineName } from './transform-engine.js';

export interface EncodeOptions {
  /** 0 (smallest) to 100 (best); stored in steps of 1/256. */
  readonly quality?: number;
  /** How latents become integers; default by `effort`. */
  readonly quantizer?: string;
  /** 1 (fast) to 3 (small); see effortQuantizers. */
  readonly effort?: number;
  /** A bundled model's name, a path, or a loaded model. */
  readonly model?: string | ParsedModel;
  readonly engine?: EngineName;
  /** Threads of the transforms; 0 leaves the choice to the engine. */
  readonly threads?: number;
  /** Tile side in pixels, a multiple of 64; 0 for one tile. Default: one tile up to `tileThreshold` pixels. */
  readonly tileSide?: number;
  /** Refuse larger pictures. */
  readonly maxPixels?: number;
  /** Carry the picture's ICC profile, EXIF and XMP (default true). */
  readonly metadata?: boolean;
  /** Price of a bit in squared latents, for rate-aware quantizers; default: the model's for the quantizer. */
  readonly lagrangian?: number;
}

/** Quantizer of each effort, from 1. */
export const effortQuantizers = ['round', 'deadzone', 'rdoq'] as const;

export const defaultEncodeOptions = Object.freeze({
  quality: 50,
  effort: 3,
  model: 'base',
  engine: 'auto' as EngineName,
  threads: 0,
  maxPixels: defaultMaxPixels,
  metadata: true,
});

/** Pictures of more pixels are tiled, with tiles of `defaultTileSide`. */
export const tileThreshold = 4 * 2 ** 20;
export const defaultTileSide = 1024;

/** A file with what is worth knowing about its making. */
export interface EncodeReport {
  readonly bytes: Uint8Array;
  readonly quality: number;
  readonly quantizer: string;
  readonly engine: string;
  readonly tiles: number;
  /** Seconds by stage. */
  readonly seconds: Stopwatch['seconds'];
}

function quantizerName(options: EncodeOptions): string {
  if (options.quantizer !== undefined) return options.quantizer;
  const effort = options.effort ?? defaultEncodeOptions.effort;
  const name = effortQuantizers[effort - 1];
  if (!name)
    throw new UsageError(
      `effort: expected a whole number from 1 to ${effortQuantizers.length}, got ${effort}`,
    );
  return name;
}

/** The part of an analysed area (in latents of the picture) that belongs to the tile. */
function cropArea(
  area: AnalysedArea,
  from: Rect,
  tile: Tile,
  channels: { y: number; z: number },
): AnalysedArea {
  const crop = (values: Float32Array, count: number, stride: number): Float32Array => {
    const [w, h] = [tile.latents.width / stride, tile.latents.height / stride];
    const [fromWidth, fromHeight] = [from.width / stride, from.height / stride];
    const [left, top] = [(tile.latents.x - from.x) / stride, (tile.latents.y - from.y) / stride];
    if (w === fromWidth && h === fromHeight) return values;
    const result = new Float32Array(count * w * h);
    for (let c = 0; c < count; c++) {
      for (let y = 0; y < h; y++) {
        const start = (c * fromHeight + top + y) * fromWidth + left;
        result.set(values.subarray(start, start + w), (c * h + y) * w);
      }
    }
    return result;
  };
  return {
    passes: area.passes.map((pass) => crop(pass, channels.y, 2)),
    hyperLatents: crop(area.hyperLatents, channels.z, 4),
  };
}

/** Pixels of a rectangle of latents. */
const pixelsOf = ({ x, y, width, height }: Rect): Rect => ({
  x: x * latentStride,
  y: y * latentStride,
  width: width * latentStride,
  height: height * latentStride,
});

/**
 * Encodes a picture and reports how.
 * @param observer sees the integers as they are coded (estimates, counting of tables).
 */
export async function encodeWithReport(
  image: Image,
  options: EncodeOptions = {},
  observer?: CodingObserver,
): Promise<EncodeReport> {
  const { width, height } = image;
  const wished = options.quality ?? defaultEncodeOptions.quality;
  checkQuality(wished);
  checkPixelLimit(width, height, options.maxPixels ?? defaultEncodeOptions.maxPixels);
  const quality = snapQuality(wished);
  const wishedQuantizer = quantizerOf(quantizerName(options)).name;
  const watch = stopwatch();
  const { color, alpha } = splitAlpha(createImage(width, height, image.channels, image.data));
  const model = typeof options.model === 'object' ? options.model : await loadModel(options.model);
  const quantization = quantizationOf(model, wishedQuantizer, options.lagrangian);
  const { quantizer } = quantization;
  const threads = checkedThreads(options.threads ?? defaultEncodeOptions.threads);
  const coder: Coder = await coderOf(model, options.engine ?? defaultEncodeOptions.engine, threads);
  const rate = ratePointOf(model, quality);
  watch.lap('load');
  const tileSide = options.tileSide ?? (width * height > tileThreshold ? defaultTileSide : 0);
  const grid = tileGrid(width, height, tileSide);
  checkTileSize(grid);
  const channels = { y: model.config.latents, z: model.config.hyperLatents };
  const coded: { latentsChecksum: number; segment: Uint8Array }[] = [];
  for (const tile of tiles(grid)) {
    const area = haloOf(grid, tile);
    const pixels = pixelsOf(area);
    const planes = toPlanes(color, pixels);
    watch.lap('pixels');
    const analysed = await coder.transforms.analyse(planes, pixels.height, pixels.width, rate);
    watch.lap('analysis');
    const { segment, checksum } = coder.entropy.encode(
      cropArea(analysed, area, tile, channels),
      tile.paddedHeight,
      tile.paddedWidth,
      rate,
      quantization,
      observer,
    );
    coded.push({ latentsChecksum: checksum, segment });
    watch.lap('entropy');
  }
  const carried = (options.metadata ?? true) ? (image.metadata ?? {}) : {};
  const bytes = writeContainer({
    header: {
      width,
      height,
      channels: color.channels as 1 | 3,
      modelId: model.id,
      quality,
      quantizer: quantizerIds[quantizer.name],
      quantizerParameter: 0,
      tileSide,
    },
    tiles: coded,
    alpha: alpha && encodePng(createImage(width, height, 1, alpha)),
    icc: carried.icc,
    exif: carried.exif,
    xmp: carried.xmp,
  });
  watch.lap('container');
  return {
    bytes,
    quality,
    quantizer: quantizer.name,
    engine: coder.transforms.name,
    tiles: grid.count,
    seconds: watch.seconds,
  };
}

/**
 * Encodes a picture into the bytes of a .tlc file.
 *
 * @param image 8-bit gray or sRGB, with or without alpha; any size from 1x1. Alpha is kept losslessly.
 * @throws UsageError for options out of range, UnsupportedError for pictures beyond `maxPixels`.
 * @example
 * const bytes = await encode(createImage(2, 1, 3, Uint8Array.of(255, 0, 0, 0, 0, 255)), { quality: 60 });
 */
export async function encode(image: Image, options: EncodeOptions = {}): Promise<Uint8Array> {
  return (await encodeWithReport(image, options)).bytes;
}
