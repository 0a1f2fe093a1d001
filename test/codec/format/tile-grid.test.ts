import { describe, expect, it } from 'vitest';
import { haloOf, type Rect, tileAt, tileGrid, tiles, tilesOfRegion } from '../../../codec/format/index.js';
import { UsageError } from '../../../src/errors.js';
import { seededNumbers } from './samples.js';

/** How often each cell of a plane is covered. */
function coverage(width: number, height: number, rects: Iterable<Rect>): Uint8Array {
  const plane = new Uint8Array(width * height);
  for (const { x, y, width: w, height: h } of rects) {
    for (let row = y; row < y + h; row++)
      for (let column = x; column < x + w; column++) plane[row * width + column]++;
  }
  return plane;
}

describe('tile grid', () => {
  it('partitions pixels, latents and hyper-latents', () => {
    const next = seededNumbers(3);
    for (let round = 0; round < 40; round++) {
      const width = 1 + (next() % 500);
      const height = 1 + (next() % 500);
      const grid = tileGrid(width, height, 64 * (next() % 5));
      const all = [...tiles(grid)];
      expect(all.map((tile) => tile.index)).toEqual(Array.from({ length: grid.count }, (_, i) => i));
      const planes = [
        coverage(
          width,
          height,
          all.map((tile) => tile.core),
        ),
        coverage(
          grid.paddedWidth / 16,
          grid.paddedHeight / 16,
          all.map((tile) => tile.latents),
        ),
        coverage(
          grid.paddedWidth / 64,
          grid.paddedHeight / 64,
          all.map((tile) => tile.hyperLatents),
        ),
      ];
      for (const plane of planes) expect(plane.every((count) => count === 1)).toBe(true);
      for (const tile of all) {
        expect(tile.paddedWidth % 64).toBe(0);
        expect(tile.paddedWidth - tile.core.width).toBeLessThan(64);
        expect(tile.paddedHeight - tile.core.height).toBeLessThan(64);
        expect(tile.latents.width * 16).toBe(tile.paddedWidth);
        expect(tile.hyperLatents.height * 64).toBe(tile.paddedHeight);
      }
    }
  });

  it('makes one tile of everything where the side is 0 or large enough', () => {
    for (const side of [0, 320, 64 * 65535]) {
      const grid = tileGrid(300, 100, side);
      expect([grid.count, grid.tileWidth, grid.tileHeight]).toEqual([1, 320, 128]);
      expect(tileAt(grid, 0).core).toEqual({ x: 0, y: 0, width: 300, height: 100 });
    }
  });

  it('takes the largest picture in constant time', () => {
    const side = 2 ** 31 - 1;
    const grid = tileGrid(side, side, 64);
    expect(grid.count).toBe(2 ** 50);
    expect(tileAt(grid, grid.count - 1).core).toEqual({
      x: 2 ** 31 - 64,
      y: 2 ** 31 - 64,
      width: 63,
      height: 63,
    });
  });

  it('finds exactly the tiles that a region touches', () => {
    const grid = tileGrid(300, 300, 128);
    expect(tilesOfRegion(grid, { x: 0, y: 0, width: 300, height: 300 })).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(tilesOfRegion(grid, { x: 127, y: 128, width: 1, height: 1 })).toEqual([3]);
    expect(tilesOfRegion(grid, { x: 127, y: 127, width: 2, height: 2 })).toEqual([0, 1, 3, 4]);
  });

  it('gives a halo that ends at the padded picture', () => {
    const grid = tileGrid(600, 300, 192);
    expect(haloOf(grid, tileAt(grid, 0))).toEqual({ x: 0, y: 0, width: 20, height: 20 });
    expect(haloOf(grid, tileAt(grid, 5), 3)).toEqual({ x: 9, y: 9, width: 18, height: 11 });
    expect(haloOf(grid, tileAt(grid, 5), 0)).toEqual(tileAt(grid, 5).latents);
  });

  it('refuses what makes no sense', () => {
    for (const [width, height, side] of [
      [0, 1, 0],
      [1, 0, 0],
      [1.5, 1, 0],
      [2 ** 31, 1, 0],
      [1, 1, 63],
      [1, 1, -64],
      [1, 1, Number.NaN],
    ]) {
      expect(() => tileGrid(width, height, side)).toThrow(UsageError);
    }
    const grid = tileGrid(300, 300, 128);
    for (const index of [-1, 9, 0.5]) expect(() => tileAt(grid, index)).toThrow(UsageError);
    for (const halo of [-1, 0.5]) expect(() => haloOf(grid, tileAt(grid, 0), halo)).toThrow(UsageError);
    for (const [x, y, width, height] of [
      [0, 0, 301, 1],
      [0, 0, 0, 1],
      [-1, 0, 1, 1],
      [0, 299, 1, 2],
      [0.5, 0, 1, 1],
    ]) {
      expect(() => tilesOfRegion(grid, { x, y, width, height })).toThrow(UsageError);
    }
  });
});
