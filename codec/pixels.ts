/**
 * Between pictures of 8-bit samples and the networks' planar float32 RGB in [0,1]. Areas beyond the picture repeat its
 * last column and row; gray goes in as three equal channels and comes out as their mean.
 */
import type { Image } from '../src/io/image.js';
import type { Rect } from './format/index.js';

/** A rectangle of the padded picture as planes [3,height,width]. `image` has 1 or 3 channels. */
export function toPlanes(image: Image, area: Rect): Float32Array {
  const { width, height, channels, data } = image;
  const plane = area.width * area.height;
  const planes = new Float32Array(3 * plane);
  const columns = Int32Array.from(
    { length: area.width },
    (_, x) => channels * Math.min(width - 1, area.x + x),
  );
  for (let y = 0; y < area.height; y++) {
    const row = channels * width * Math.min(height - 1, area.y + y);
    for (let x = 0; x < area.width; x++) {
      const source = row + columns[x];
      const target = y * area.width + x;
      for (let c = 0; c < 3; c++) planes[target + c * plane] = data[source + (channels === 3 ? c : 0)] / 255;
    }
  }
  return planes;
}

/**
 * Writes the part of `planes` that lies in `core` into 8-bit samples.
 * @param planes [3,area.height,area.width] of the rectangle `area` of the padded picture.
 * @param core pixels to write, inside `area` and inside the picture.
 */
export function fromPlanes(planes: Float32Array, area: Rect, core: Rect, image: Image): void {
  const { width, channels, data } = image;
  const plane = area.width * area.height;
  // Uint8Array wraps, so values are clamped by hand; + 0.5 and truncation round half up.
  const sample = (value: number): number => Math.max(0, Math.min(255, Math.floor(255 * value + 0.5)));
  for (let y = 0; y < core.height; y++) {
    for (let x = 0; x < core.width; x++) {
      const source = (core.y + y - area.y) * area.width + core.x + x - area.x;
      const target = channels * ((core.y + y) * width + core.x + x);
      const [r, g, b] = [planes[source], planes[source + plane], planes[source + 2 * plane]];
      if (channels === 1) data[target] = sample((r + g + b) / 3);
      else {
        data[target] = sample(r);
        data[target + 1] = sample(g);
        data[target + 2] = sample(b);
      }
    }
  }
}

/** 1 for pixels of an area that the picture has, 0 for those that pad it: [height,width]. */
export function visiblePixels(image: Pick<Image, 'width' | 'height'>, area: Rect): Float32Array {
  const visible = new Float32Array(area.width * area.height);
  const right = Math.min(area.width, image.width - area.x);
  const bottom = Math.min(area.height, image.height - area.y);
  for (let y = 0; y < bottom; y++) visible.fill(1, y * area.width, y * area.width + right);
  return visible;
}
