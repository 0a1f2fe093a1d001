/**
 * Decodes a .tlc file: entropy decoding tile by tile (exact, checked against the file's checksums), then synthesis on any
 * engine. The synthesis of a tile sees up to `defaultHalo` latents of its neighbours, so that no seam arises; latents
 * are kept only as long as a neighbour may need them (three rows of tiles, five where tiles have 64 pixels).
 */
import { FormatError, IntegrityError, ModelMismatchError, UnsupportedError } from '../src/errors.js';
import { type Channels, createImage, type Image, mergeAlpha, withMetadata } from '../src/io/image.js';
import { decodePng } from '../src/io/png.js';
import { checkedThreads, checkTileSize, type Stopwatch, stopwatch } from './checks.js';
import { coderOf } from './coder.js';
import {
  type Container,
  defaultHalo,
  defaultMaxPixels,
  type Header,
  haloOf,
  latentStride,
  type QuantizerName,
  quantizerName,
  type Rect,
  readContainer,
  type TileGrid,
  tileAt,
} from './format/index.js';
import { bundledModels, defaultModelName, loadModel } from './model/load.js';
import type { ParsedModel } from './model/model-file.js';
import { type RatePoint, ratePointOf } from './model/rate-point.js';
import { contextPasses } from './networks/config.js';
import { fromPlanes } from './pixels.js';
import { type Quantization, quantizationOf } from './quantizers/registry.js';
import { pastePasses } from './tile-latents.js';
import type { EngineName } from './transform-engine.js';

export interface DecodeOptions {
  /** A bundled model's name, a path, or a loaded model; by default the bundled model that the file asks for. */
  readonly model?: string | ParsedModel;
  readonly engine?: EngineName;
  /** Threads of the transforms; 0 leaves the choice to the engine. */
  readonly threads?: number;
  /** Refuse larger pictures before anything is allocated. */
  readonly maxPixels?: number;
}

export const defaultDecodeOptions = Object.freeze({
  engine: 'auto' as EngineName,
  threads: 0,
  maxPixels: defaultMaxPixels,
});

export interface DecodeReport {
  readonly image: Image;
  readonly header: Header;
  /** CRC32C over the tiles' latents checksums, with which the decoded latents have been compared. */
  readonly latentsChecksum: number;
  readonly engine: string;
  readonly seconds: Stopwatch['seconds'];
}

async function modelFor(header: Header, wished: DecodeOptions['model']): Promise<ParsedModel> {
  if (wished !== undefined) {
    const model = typeof wished === 'object' ? wished : await loadModel(wished);
    if (model.id === header.modelId) return model;
    throw new ModelMismatchError(`model: the file was made with model ${header.modelId}, got ${model.id}`);
  }
  const names = await bundledModels();
  // The default first: it is the likeliest, and then no other file is read.
  names.sort((a, b) => Number(b === defaultModelName) - Number(a === defaultModelName));
  for (const name of names) {
    const model = await loadModel(name);
    if (model.id === header.modelId) return model;
  }
  throw new ModelMismatchError(
    `model: the file was made with model ${header.modelId}, which is none of the bundled ones (${names.join(', ')}); give it with --model`,
  );
}

/** The file's quantizer; UnsupportedError naming it where the model has nothing for it. */
function quantizationOfHeader({ quantizer, quantizerParameter }: Header, model: ParsedModel): Quantization {
  // Headers with other numbers than registered ones are refused when they are read.
  const name = quantizerName(quantizer) as QuantizerName;
  if (quantizerParameter !== 0) {
    throw new UnsupportedError(`quantizer ${name}: expected parameter 0, the file has ${quantizerParameter}`);
  }
  return quantizationOf(model, name);
}

/** Dequantized latents of the tiles decoded so far, dense form. */
type DecodedTiles = Map<number, readonly Float32Array[]>;

/** The latents of a rectangle, put together from the tiles it touches. */
function assemble(grid: TileGrid, decoded: DecodedTiles, area: Rect, channels: number): Float32Array[] {
  const [width, height] = [area.width / 2, area.height / 2];
  const passes = Array.from({ length: contextPasses }, () => new Float32Array(channels * width * height));
  for (const [index, parts] of decoded) {
    pastePasses(parts, tileAt(grid, index).latents, passes, area, channels);
  }
  return passes;
}

class TileDecoder {
  readonly decoded: DecodedTiles = new Map();

  constructor(
    readonly container: Container,
    readonly coder: Awaited<ReturnType<typeof coderOf>>,
    readonly rate: RatePoint,
    readonly quantization: Quantization,
  ) {}

  /** Decodes the latents of a tile and checks them. */
  decodeLatents(index: number): void {
    const { grid, tiles } = this.container;
    const tile = tileAt(grid, index);
    const { segment, latentsChecksum } = tiles[index];
    const { passes, checksum } = this.coder.entropy.decode(
      segment,
      tile.paddedHeight,
      tile.paddedWidth,
      this.rate,
      this.quantization,
    );
    if (checksum !== latentsChecksum) {
      throw new IntegrityError(
        `tile ${index}: expected latents with checksum ${latentsChecksum.toString(16)}, got ${checksum.toString(16)}; the file is damaged or was made with other tables`,
      );
    }
    this.decoded.set(index, passes);
  }

  /** Writes the pixels of a tile whose neighbours' latents are known. */
  async synthesise(index: number, image: Image): Promise<void> {
    const { grid } = this.container;
    const tile = tileAt(grid, index);
    const area = haloOf(grid, tile);
    const passes =
      grid.count === 1
        ? this.decoded.get(0)!
        : assemble(grid, this.decoded, area, this.coder.model.config.latents);
    const [height, width] = [area.height * latentStride, area.width * latentStride];
    const planes = await this.coder.transforms.synthesise(passes, height, width, this.rate);
    const pixels = { x: area.x * latentStride, y: area.y * latentStride, width, height };
    fromPlanes(planes, pixels, tile.core, image);
  }

  /** Forgets rows of tiles that no later tile's halo reaches. */
  forgetBefore(row: number): void {
    for (const index of this.decoded.keys()) {
      if (index < row * this.container.grid.columns) this.decoded.delete(index);
    }
  }
}

/**
 * Samples of the alpha chunk's PNG, whose kind and size readContainer has checked, the number of pixels with them; tRNS is all
 * that is left to refuse.
 */
function alphaPlane(png: Uint8Array): Uint8Array {
  const { channels, data } = decodePng(png, { maxPixels: Number.POSITIVE_INFINITY }).image;
  if (channels !== 1)
    throw new FormatError(`alpha: expected a gray PNG without tRNS, got ${channels} channels`);
  return data;
}

/** Decodes a file and reports how. */
export async function decodeWithReport(
  bytes: Uint8Array,
  options: DecodeOptions = {},
): Promise<DecodeReport> {
  const watch = stopwatch();
  const container = readContainer(bytes, { maxPixels: options.maxPixels ?? defaultDecodeOptions.maxPixels });
  const { header, grid, latentsChecksum } = container;
  const model = await modelFor(header, options.model);
  const threads = checkedThreads(options.threads ?? defaultDecodeOptions.threads);
  checkTileSize(grid);
  const coder = await coderOf(model, options.engine ?? defaultDecodeOptions.engine, threads);
  const decoder = new TileDecoder(
    container,
    coder,
    ratePointOf(model, header.quality),
    quantizationOfHeader(header, model),
  );
  watch.lap('load');
  const { width, height, channels } = header;
  /** Rows of tiles that a halo reaches into: two where tiles are smaller than it. */
  const reach = Math.ceil((defaultHalo * latentStride) / grid.tileHeight);
  let known = 0;
  const decodeRowsBefore = (end: number): void => {
    for (const last = Math.min(end, grid.rows) * grid.columns; known < last; known++)
      decoder.decodeLatents(known);
    watch.lap('entropy');
  };
  // Latents and alpha before pixels: a damaged first tile or alpha is found before the picture is allocated.
  decodeRowsBefore(1);
  const alpha = container.alpha && alphaPlane(container.alpha);
  watch.lap('container');
  const image = createImage(width, height, channels as Channels, new Uint8Array(width * height * channels));
  for (let row = 0; row < grid.rows; row++) {
    decodeRowsBefore(row + 1 + reach);
    for (let column = 0; column < grid.columns; column++) {
      await decoder.synthesise(row * grid.columns + column, image);
    }
    decoder.forgetBefore(row + 1 - reach);
    watch.lap('synthesis');
  }
  const { icc, exif, xmp } = container;
  const merged = withMetadata(mergeAlpha(image, alpha), { icc, exif, xmp });
  watch.lap('container');
  return { image: merged, header, latentsChecksum, engine: coder.transforms.name, seconds: watch.seconds };
}

/**
 * Decodes the bytes of a .tlc file.
 *
 * @returns 8-bit gray or sRGB picture, with alpha and metadata where the file has them.
 * @throws FormatError (not such a file, or malformed), IntegrityError (damaged), ModelMismatchError (another model),
 *   UnsupportedError (newer version, picture beyond `maxPixels`).
 * @example
 * const image = await decode(await encode(createImage(1, 1, 1, Uint8Array.of(128))));
 */
export async function decode(bytes: Uint8Array, options: DecodeOptions = {}): Promise<Image> {
  return (await decodeWithReport(bytes, options)).image;
}
