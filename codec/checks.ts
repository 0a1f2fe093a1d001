/** Small helpers that encode and decode share: seconds by stage, checked thread counts and tile sizes. */
import { UnsupportedError, UsageError } from '../src/errors.js';
import type { TileGrid } from './format/index.js';

export interface Stopwatch {
  /** Seconds spent by stage; repeated stages add up. */
  readonly seconds: Readonly<Record<string, number>>;
  /** Books the time since the last lap on a stage. */
  lap(stage: string): void;
}

export function stopwatch(): Stopwatch {
  const seconds: Record<string, number> = {};
  let last = performance.now();
  return {
    seconds,
    lap(stage) {
      const now = performance.now();
      seconds[stage] = (seconds[stage] ?? 0) + (now - last) / 1000;
      last = now;
    },
  };
}

/** UsageError unless `threads` is a whole number from 0 to 256. */
export function checkedThreads(threads: number): number {
  if (!Number.isInteger(threads) || threads < 0 || threads > 256) {
    throw new UsageError(`threads: expected a whole number from 0 to 256, got ${threads}`);
  }
  return threads;
}

/** Largest tile, padding included: coding one takes about 300 bytes of memory per pixel. */
export const maxTilePixels = 2 ** 24;

/** UnsupportedError for tiles so large that memory would not be bounded. */
export function checkTileSize({ tileWidth, tileHeight }: TileGrid): void {
  if (tileWidth * tileHeight > maxTilePixels) {
    throw new UnsupportedError(
      `tiles: expected at most ${maxTilePixels} pixels each, got ${tileWidth}x${tileHeight}; encode with a smaller tile side`,
    );
  }
}
