/**
 * Encodes a picture: analysis (any engine), refinement where the effort asks for it (refinement.ts), then entropy coding tile
 * by tile (exact). Pictures beyond `tileThreshold` pixels are cut into tiles that are coded independently; the analysis of a
 * tile sees a halo of the picture around it, so that no seam arises.
 */
import { UsageError } from '../src/errors.js';
import { createImage, type Image, splitAlpha } from '../src/io/image.js';
import { encodePng } from '../src/io/png.js';
import { checkedThreads, checkTileSize, maxTilePixels, type Stopwatch, stopwatch } from './checks.js';
import { type Coder, coderOf } from './coder.js';
import type { CodingObserver } from './entropy-model.js';
import {
  checkPixelLimit,
  defaultMaxPixels,
  haloOf,
  latentStride,
  type QuantizerName,
  quantizerIds,
  type Rect,
  snapQuality,
  type Tile,
  type TileGrid,
  tileGrid,
  tiles,
  writeContainer,
} from './format/index.js';
import { loadModel } from './model/load.js';
import type { ParsedModel } from './model/model-file.js';
import { type RatePoint, ratePointOf } from './model/rate-point.js';
import { checkQuality } from './networks/config.js';
import { toPlanes, visiblePixels } from './pixels.js';
import { type Quantization, quantizationOf, quantizerOf } from './quantizers/registry.js';
import { checkRefinements, refinedPrice, refinedTargets, refinementPart } from './refinement.js';
import { cutArea, cutPasses, pastePasses } from './tile-latents.js';
import type { AnalysedArea, EngineName, ShallowFeatures } from './transform-engine.js';

export interface EncodeOptions {
  /** 0 (smallest) to 100 (best); stored in steps of 1/256. */
  readonly quality?: number;
  /** How latents become integers; default by `effort`. */
  readonly quantizer?: string;
  /** 1 (fast) to 10 (small); see `efforts`. */
  readonly effort?: number;
  /** How often latents are searched again by the decoder's gradient (refinement.ts); default by `effort`, 0 with a `quantizer`. */
  readonly refinements?: number;
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
  /** Price of a bit in squared latents, for rate-aware quantizers; default: the model's for the quantizer, times `refinedPrice` after a refinement. */
  readonly lagrangian?: number;
}

/** What an effort is made of. */
export interface Effort {
  readonly quantizer: QuantizerName;
  readonly refinements: number;
}

/** The efforts, from 1: fastest first, smallest files last. All take about as long to decode. */
export const efforts: readonly Effort[] = [
  { quantizer: 'round', refinements: 0 },
  { quantizer: 'deadzone', refinements: 0 },
  { quantizer: 'rdoq', refinements: 0 },
  { quantizer: 'tcq8', refinements: 0 },
  { quantizer: 'tcq32', refinements: 0 },
  { quantizer: 'tcq64', refinements: 0 },
  { quantizer: 'tcq256', refinements: 0 },
  { quantizer: 'tcq1024', refinements: 1 },
  { quantizer: 'tcq1024', refinements: 2 },
  { quantizer: 'tcq1024', refinements: 4 },
];

export const defaultEncodeOptions = Object.freeze({
  quality: 50,
  effort: 8,
  model: 'base',
  engine: 'auto' as EngineName,
  threads: 0,
  maxPixels: defaultMaxPixels,
  metadata: true,
});

/** Pictures of more pixels are tiled, with tiles of `defaultTileSide`. */
export const tileThreshold = 4 * 2 ** 20;
export const defaultTileSide = 1024;

/** Tile side where none is asked for: thin pictures, too, are cut where their padding makes one tile of them too large. */
function defaultTiling(width: number, height: number): number {
  const { paddedWidth, paddedHeight } = tileGrid(width, height, 0);
  const whole = width * height <= tileThreshold && paddedWidth * paddedHeight <= maxTilePixels;
  return whole ? 0 : defaultTileSide;
}

/** A file with what is worth knowing about its making. */
export interface EncodeReport {
  readonly bytes: Uint8Array;
  readonly quality: number;
  readonly quantizer: string;
  readonly refinements: number;
  /** Price of a bit that the file's integers were chosen with, in squared latents; rounding has none to look at. */
  readonly lagrangian: number;
  readonly engine: string;
  readonly tiles: number;
  /** Seconds by stage. */
  readonly seconds: Stopwatch['seconds'];
}

/** Quantizer and refinements of the options; whoever names a quantizer gets it without refinements unless told otherwise. */
function effortOf(options: EncodeOptions): { quantizer: string; refinements: number } {
  const wished = options.effort ?? defaultEncodeOptions.effort;
  const effort = efforts[wished - 1];
  if (!effort)
    throw new UsageError(`effort: expected a whole number from 1 to ${efforts.length}, got ${wished}`);
  const { quantizer, refinements } =
    options.quantizer === undefined ? effort : { quantizer: options.quantizer, refinements: 0 };
  const chosen = { quantizer, refinements: options.refinements ?? refinements };
  checkRefinements(chosen.refinements);
  return chosen;
}

/** Pixels of a rectangle of latents. */
const pixelsOf = ({ x, y, width, height }: Rect): Rect => ({
  x: x * latentStride,
  y: y * latentStride,
  width: width * latentStride,
  height: height * latentStride,
});

/** Shallow features that are kept between encodings of one picture, in bytes; beyond that they are made anew. */
const keptFeatures = 2 ** 30;

/**
 * A picture ready to be encoded at any quality: the part of the analysis that does not depend on the rate is run once.
 *
 * @example
 * const encoder = await PictureEncoder.create(image, { model: 'base' });
 * const [small, large] = [await encoder.encode(20), await encoder.encode(80)];
 */
export class PictureEncoder {
  readonly #image: Image;
  readonly #color: Image;
  readonly #alpha: Uint8Array | undefined;
  readonly #coder: Coder;
  readonly #quantization: Quantization;
  /** The same once targets have moved. */
  readonly #refinedQuantization: Quantization;
  readonly #refinements: number;
  readonly #grid: TileGrid;
  readonly #tileSide: number;
  readonly #metadata: boolean;
  /** By tile; absent where keeping them would take too much memory. */
  readonly #features = new Map<number, ShallowFeatures>();

  private constructor(
    image: Image,
    coder: Coder,
    quantization: Quantization,
    refinements: number,
    options: EncodeOptions,
  ) {
    const { width, height, channels, data } = image;
    const { color, alpha } = splitAlpha(createImage(width, height, channels, data));
    this.#image = image;
    this.#color = color;
    this.#alpha = alpha && encodePng(createImage(width, height, 1, alpha));
    this.#coder = coder;
    this.#quantization = quantization;
    const price = options.lagrangian ?? Math.fround(refinedPrice * quantization.lagrangian);
    this.#refinedQuantization = { ...quantization, lagrangian: price };
    this.#refinements = refinements;
    this.#tileSide = options.tileSide ?? defaultTiling(width, height);
    this.#grid = tileGrid(width, height, this.#tileSide);
    checkTileSize(this.#grid);
    this.#metadata = options.metadata ?? defaultEncodeOptions.metadata;
  }

  /** @throws UsageError for options out of range, UnsupportedError for pictures beyond `maxPixels` */
  static async create(image: Image, options: EncodeOptions = {}): Promise<PictureEncoder> {
    checkPixelLimit(image.width, image.height, options.maxPixels ?? defaultEncodeOptions.maxPixels);
    const effort = effortOf(options);
    const wished = quantizerOf(effort.quantizer).name;
    const model = typeof options.model === 'object' ? options.model : await loadModel(options.model);
    const quantization = quantizationOf(model, wished, options.lagrangian);
    const threads = checkedThreads(options.threads ?? defaultEncodeOptions.threads);
    const coder = await coderOf(model, options.engine ?? defaultEncodeOptions.engine, threads);
    return new PictureEncoder(image, coder, quantization, effort.refinements, options);
  }

  /**
   * Encodes the picture and reports how.
   *
   * @param wished quality, 0 to 100
   * @param observer sees the integers as they are coded (estimates, counting of tables).
   * @throws UsageError for a quality out of range
   */
  async encode(wished: number, observer?: CodingObserver): Promise<EncodeReport> {
    checkQuality(wished);
    const quality = snapQuality(wished);
    const { model, entropy, transforms } = this.#coder;
    const rate = ratePointOf(model, quality);
    const final = this.#refinements === 0 ? this.#quantization : this.#refinedQuantization;
    const watch = stopwatch();
    const coded: { latentsChecksum: number; segment: Uint8Array }[] = [];
    for (const tile of tiles(this.#grid)) {
      const area = haloOf(this.#grid, tile);
      const shallow = this.#features.get(coded.length) ?? (await this.#analyse(coded.length, area, watch));
      const analysed = await transforms.analyse(shallow, rate);
      watch.lap('analysis');
      const { segment, checksum } = entropy.encode(
        await this.#refine(analysed, area, tile, rate, watch),
        tile.paddedHeight,
        tile.paddedWidth,
        rate,
        final,
        observer,
      );
      coded.push({ latentsChecksum: checksum, segment });
      watch.lap('entropy');
    }
    const bytes = this.#container(quality, coded);
    watch.lap('container');
    return {
      bytes,
      quality,
      quantizer: this.#quantization.quantizer.name,
      refinements: this.#refinements,
      lagrangian: final.lagrangian,
      engine: transforms.name,
      tiles: this.#grid.count,
      seconds: watch.seconds,
    };
  }

  async #analyse(index: number, area: Rect, watch: Stopwatch): Promise<ShallowFeatures> {
    const pixels = pixelsOf(area);
    const planes = toPlanes(this.#color, pixels);
    watch.lap('pixels');
    const features = await this.#coder.transforms.shallow(planes, pixels.height, pixels.width);
    if (features.values.byteLength * this.#grid.count <= keptFeatures) this.#features.set(index, features);
    return features;
  }

  /**
   * What the tile's quantizer should aim at: its analysed latents, moved as often as there are refinements. Around the tile the
   * decoder is taken to see latents as they were analysed; errors beyond the picture do not count.
   */
  async #refine(
    analysed: AnalysedArea,
    area: Rect,
    tile: Tile,
    rate: RatePoint,
    watch: Stopwatch,
  ): Promise<AnalysedArea> {
    const { model, entropy, transforms } = this.#coder;
    const { latents } = model.config;
    let refined = cutArea(analysed, area, tile.latents, model.config);
    if (this.#refinements === 0) return refined;
    const pixels = pixelsOf(area);
    const wished = { planes: toPlanes(this.#color, pixels), weights: visiblePixels(this.#color, pixels) };
    const around = analysed.passes.map((values) => values.slice());
    for (let refinement = 0; refinement < this.#refinements; refinement++) {
      const { paddedHeight, paddedWidth } = tile;
      const quantization = refinement === 0 ? this.#quantization : this.#refinedQuantization;
      const coding = [refined, paddedHeight, paddedWidth, rate, quantization] as const;
      const decoded = transforms.entropyNetworks
        ? await entropy.draft(...coding, transforms.entropyNetworks)
        : entropy.encode(...coding).passes;
      pastePasses(decoded, tile.latents, around, area, latents);
      const gradients = await transforms.errorGradient(around, wished, pixels.height, pixels.width, rate);
      const own = cutPasses(gradients, area, tile.latents, latents);
      const part = refinementPart(refinement);
      refined = { ...refined, passes: refinedTargets(refined.passes, decoded, own, rate.quality, part) };
    }
    watch.lap('refinement');
    return refined;
  }

  #container(
    quality: number,
    coded: readonly { latentsChecksum: number; segment: Uint8Array }[],
  ): Uint8Array {
    const { width, height, metadata } = this.#image;
    const { icc, exif, xmp } = (this.#metadata && metadata) || {};
    return writeContainer({
      header: {
        width,
        height,
        channels: this.#color.channels as 1 | 3,
        modelId: this.#coder.model.id,
        quality,
        quantizer: quantizerIds[this.#quantization.quantizer.name],
        quantizerParameter: 0,
        tileSide: this.#tileSide,
      },
      tiles: coded,
      alpha: this.#alpha,
      icc,
      exif,
      xmp,
    });
  }
}

/** Encodes a picture once and reports how. */
export async function encodeWithReport(
  image: Image,
  options: EncodeOptions = {},
  observer?: CodingObserver,
): Promise<EncodeReport> {
  const quality = options.quality ?? defaultEncodeOptions.quality;
  checkQuality(quality);
  const watch = stopwatch();
  const encoder = await PictureEncoder.create(image, options);
  watch.lap('load');
  const report = await encoder.encode(quality, observer);
  return { ...report, seconds: { ...watch.seconds, ...report.seconds } };
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
