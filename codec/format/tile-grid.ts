/**
 * Geometry of tiles: which pixels, latents and hyper-latents belong to which tile. Numbers only, no bytes.
 *
 * Units: pixels of the picture; latents at 1/16; hyper-latents at 1/64. A tile's corner lies on multiples of
 * 64 pixels, and its padded size is a multiple of 64, so that tiles partition pixels, latents and hyper-latents
 * without overlap. Tiles are numbered in raster order; the last column and row may be smaller.
 * See docs/FORMAT.md, "Tiles".
 */

import { UsageError } from '../../src/errors.js';

/** Pixels per hyper-latent, and what every padded side is a multiple of. */
export const alignment = 64;
/** Pixels per latent. */
export const latentStride = 16;
/** Latents of the neighbours that the reference decoder shows the synthesis network on every side of a tile. */
export const defaultHalo = 8;

/** A rectangle; its unit is that of the thing it is a rectangle of. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** How a picture is cut; made by `tileGrid`. */
export interface TileGrid {
  /** Picture in pixels. */
  readonly width: number;
  readonly height: number;
  /** Picture padded to multiples of 64. */
  readonly paddedWidth: number;
  readonly paddedHeight: number;
  /** Size of a full tile in pixels, multiples of 64, at most that of the padded picture. */
  readonly tileWidth: number;
  readonly tileHeight: number;
  readonly columns: number;
  readonly rows: number;
  /** `columns * rows`. */
  readonly count: number;
}

/** One tile of a grid. */
export interface Tile {
  /** `row * columns + column`. */
  readonly index: number;
  readonly column: number;
  readonly row: number;
  /** The tile's pixels, inside the picture. */
  readonly core: Rect;
  /** Its size after padding, in pixels, multiples of 64. */
  readonly paddedWidth: number;
  readonly paddedHeight: number;
  /** Its latents, in latents of the padded picture. */
  readonly latents: Rect;
  /** Its hyper-latents, in hyper-latents of the padded picture. */
  readonly hyperLatents: Rect;
}

/**
 * Cut a picture into tiles. Takes constant time and memory, whatever the size.
 *
 * @param width, height picture in pixels, 1..2^31-1
 * @param tileSide side of a tile in pixels, a multiple of 64; 0 for one tile
 * @throws UsageError for anything else
 * @example
 * tileGrid(300, 100, 128).columns; // => 3
 */
export function tileGrid(width: number, height: number, tileSide: number): TileGrid {
  for (const [name, side] of [
    ['width', width],
    ['height', height],
  ] as const) {
    if (!Number.isInteger(side) || side < 1 || side > 0x7fffffff) {
      throw new UsageError(`picture ${name}: expected 1..2147483647 pixels, got ${side}`);
    }
  }
  if (!Number.isInteger(tileSide) || tileSide < 0 || tileSide % alignment !== 0) {
    throw new UsageError(`tile side: expected 0 or a multiple of ${alignment} pixels, got ${tileSide}`);
  }
  const paddedWidth = padded(width);
  const paddedHeight = padded(height);
  const tileWidth = tileSide === 0 ? paddedWidth : Math.min(tileSide, paddedWidth);
  const tileHeight = tileSide === 0 ? paddedHeight : Math.min(tileSide, paddedHeight);
  const columns = Math.ceil(paddedWidth / tileWidth);
  const rows = Math.ceil(paddedHeight / tileHeight);
  const count = columns * rows;
  return { width, height, paddedWidth, paddedHeight, tileWidth, tileHeight, columns, rows, count };
}

/**
 * One tile of a grid.
 *
 * @param index 0..grid.count-1
 * @throws UsageError where there is no such tile
 * @example
 * tileAt(tileGrid(300, 100, 128), 2).core; // => { x: 256, y: 0, width: 44, height: 100 }
 */
export function tileAt(grid: TileGrid, index: number): Tile {
  if (!Number.isInteger(index) || index < 0 || index >= grid.count) {
    throw new UsageError(`tile: expected 0..${grid.count - 1}, got ${index}`);
  }
  const column = index % grid.columns;
  const row = (index - column) / grid.columns;
  const x = column * grid.tileWidth;
  const y = row * grid.tileHeight;
  const width = Math.min(grid.tileWidth, grid.width - x);
  const height = Math.min(grid.tileHeight, grid.height - y);
  const whole = { x, y, width: padded(width), height: padded(height) };
  return {
    index,
    column,
    row,
    core: { x, y, width, height },
    paddedWidth: whole.width,
    paddedHeight: whole.height,
    latents: shrink(whole, latentStride),
    hyperLatents: shrink(whole, alignment),
  };
}

/**
 * All tiles of a grid, one after the other, in raster order.
 *
 * @example
 * Array.from(tiles(tileGrid(300, 100, 128)), (tile) => tile.core.x); // => [0, 128, 256]
 */
export function* tiles(grid: TileGrid): Generator<Tile, void, void> {
  for (let index = 0; index < grid.count; index++) yield tileAt(grid, index);
}

/**
 * Numbers of the tiles that a region of the picture touches, in raster order.
 *
 * @param region in pixels, at least 1x1, inside the picture
 * @throws UsageError where it is empty or reaches outside
 * @example
 * tilesOfRegion(tileGrid(300, 300, 128), { x: 130, y: 0, width: 10, height: 129 }); // => [1, 4]
 */
export function tilesOfRegion(grid: TileGrid, region: Rect): number[] {
  const { x, y, width, height } = region;
  const whole = [x, y, width, height].every(Number.isInteger);
  if (
    !whole ||
    x < 0 ||
    y < 0 ||
    width < 1 ||
    height < 1 ||
    x + width > grid.width ||
    y + height > grid.height
  ) {
    throw new UsageError(
      `region: expected at least 1x1 whole pixels inside ${grid.width}x${grid.height}, got ${width}x${height} at ${x},${y}`,
    );
  }
  const [left, right] = [x, x + width - 1].map((at) => Math.floor(at / grid.tileWidth));
  const [top, bottom] = [y, y + height - 1].map((at) => Math.floor(at / grid.tileHeight));
  const indices: number[] = [];
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) indices.push(row * grid.columns + column);
  }
  return indices;
}

/**
 * The latents a synthesis network should see for a tile: its own and up to `halo` of its neighbours on every
 * side, cut at the border of the padded picture.
 *
 * @param halo in latents, a whole number of at least 0
 * @returns a rectangle in latents of the padded picture that contains `tile.latents`
 * @throws UsageError for another halo
 * @example
 * const grid = tileGrid(300, 100, 128);
 * haloOf(grid, tileAt(grid, 1)); // => { x: 0, y: 0, width: 20, height: 8 }
 */
export function haloOf(grid: TileGrid, tile: Tile, halo = defaultHalo): Rect {
  if (!Number.isInteger(halo) || halo < 0) {
    throw new UsageError(`halo: expected a whole number of latents, got ${halo}`);
  }
  const { x, y, width, height } = tile.latents;
  const left = Math.max(0, x - halo);
  const top = Math.max(0, y - halo);
  const right = Math.min(grid.paddedWidth / latentStride, x + width + halo);
  const bottom = Math.min(grid.paddedHeight / latentStride, y + height + halo);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

function padded(side: number): number {
  return Math.ceil(side / alignment) * alignment;
}

function shrink({ x, y, width, height }: Rect, stride: number): Rect {
  return { x: x / stride, y: y / stride, width: width / stride, height: height / stride };
}
