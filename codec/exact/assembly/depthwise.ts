/**
 * Depthwise convolution, stride 1, zero padding that keeps the size, odd kernels.
 *
 * Order: y[c,p] = bias[c] + the taps in raster order, one product at a time, then LeakyReLU. Taps outside of the
 * picture read +0 and are multiplied and added like all others (for finite weights this differs from skipping
 * them only in the sign of a zero). Each channel is copied once into a plane with a border of zeros, so that no
 * loop knows of borders and all sums of a row run eight pixels at a time.
 */

/** Bytes of a row of the bordered plane: whole groups of eight pixels and the kernel's reach. */
// @ts-ignore: decorator
@inline
function planeStride(width: usize, kw: usize): usize {
  return (((width + 7) & ~7) + kw - 1) * 4;
}

/** Floats of scratch that depthwise needs. */
export function planeSize(height: usize, width: usize, kh: usize, kw: usize): usize {
  return ((height + kh - 1) * planeStride(width, kw)) >> 2;
}

/**
 * x [channels,height,width], w [channels,kh,kw], bias [channels] (0: none) -> y as x. slope 1: no LeakyReLU.
 * `plane` is scratch: planeSize(height, width, kh, kw) floats.
 */
export function depthwise(
  x: usize,
  w: usize,
  bias: usize,
  y: usize,
  plane: usize,
  channels: usize,
  height: usize,
  width: usize,
  kh: usize,
  kw: usize,
  slope: f32,
): void {
  const stride = planeStride(width, kw);
  const inside = plane + (kh >> 1) * stride + (kw >> 1) * 4;
  const row = width * 4;
  memory.fill(plane, 0, (height + kh - 1) * stride);
  for (let c: usize = 0; c < channels; c++) {
    for (let r: usize = 0; r < height; r++) memory.copy(inside + r * stride, x + r * row, row);
    const start: f32 = bias ? load<f32>(bias + c * 4) : 0;
    if (kh == 3 && kw == 3) filter3x3(plane, stride, w, start, y, height, width, slope);
    else filter(plane, stride, w, start, y, height, width, kh, kw, slope);
    x += height * row;
    y += height * row;
    w += kh * kw * 4;
  }
}

function filter3x3(
  plane: usize,
  stride: usize,
  w: usize,
  bias: f32,
  y: usize,
  height: usize,
  width: usize,
  slope: f32,
): void {
  const w0 = v128.load32_splat(w);
  const w1 = v128.load32_splat(w, 4);
  const w2 = v128.load32_splat(w, 8);
  const w3 = v128.load32_splat(w, 12);
  const w4 = v128.load32_splat(w, 16);
  const w5 = v128.load32_splat(w, 20);
  const w6 = v128.load32_splat(w, 24);
  const w7 = v128.load32_splat(w, 28);
  const w8 = v128.load32_splat(w, 32);
  for (let r: usize = 0; r < height; r++) {
    let top = plane + r * stride;
    let middle = top + stride;
    let bottom = middle + stride;
    for (let p: usize = 0; p < width; p += 8) {
      let a = f32x4.splat(bias);
      let b = a;
      a = f32x4.add(a, f32x4.mul(w0, v128.load(top)));
      b = f32x4.add(b, f32x4.mul(w0, v128.load(top, 16)));
      a = f32x4.add(a, f32x4.mul(w1, v128.load(top, 4)));
      b = f32x4.add(b, f32x4.mul(w1, v128.load(top, 20)));
      a = f32x4.add(a, f32x4.mul(w2, v128.load(top, 8)));
      b = f32x4.add(b, f32x4.mul(w2, v128.load(top, 24)));
      a = f32x4.add(a, f32x4.mul(w3, v128.load(middle)));
      b = f32x4.add(b, f32x4.mul(w3, v128.load(middle, 16)));
      a = f32x4.add(a, f32x4.mul(w4, v128.load(middle, 4)));
      b = f32x4.add(b, f32x4.mul(w4, v128.load(middle, 20)));
      a = f32x4.add(a, f32x4.mul(w5, v128.load(middle, 8)));
      b = f32x4.add(b, f32x4.mul(w5, v128.load(middle, 24)));
      a = f32x4.add(a, f32x4.mul(w6, v128.load(bottom)));
      b = f32x4.add(b, f32x4.mul(w6, v128.load(bottom, 16)));
      a = f32x4.add(a, f32x4.mul(w7, v128.load(bottom, 4)));
      b = f32x4.add(b, f32x4.mul(w7, v128.load(bottom, 20)));
      a = f32x4.add(a, f32x4.mul(w8, v128.load(bottom, 8)));
      b = f32x4.add(b, f32x4.mul(w8, v128.load(bottom, 24)));
      storePixels(y, a, b, min(8, width - p), slope);
      y += min(8, width - p) * 4;
      top += 32;
      middle += 32;
      bottom += 32;
    }
  }
}

function filter(
  plane: usize,
  stride: usize,
  w: usize,
  bias: f32,
  y: usize,
  height: usize,
  width: usize,
  kh: usize,
  kw: usize,
  slope: f32,
): void {
  for (let r: usize = 0; r < height; r++) {
    for (let p: usize = 0; p < width; p += 8) {
      let a = f32x4.splat(bias);
      let b = a;
      let tap = w;
      for (let ky: usize = 0; ky < kh; ky++) {
        let from = plane + (r + ky) * stride + p * 4;
        for (let kx: usize = 0; kx < kw; kx++) {
          const s = v128.load32_splat(tap);
          a = f32x4.add(a, f32x4.mul(s, v128.load(from)));
          b = f32x4.add(b, f32x4.mul(s, v128.load(from, 16)));
          tap += 4;
          from += 4;
        }
      }
      storePixels(y, a, b, min(8, width - p), slope);
      y += min(8, width - p) * 4;
    }
  }
}

/** Stores the first `count` (1..8) of eight pixels after LeakyReLU. */
// @ts-ignore: decorator
@inline
function storePixels(y: usize, first: v128, second: v128, count: usize, slope: f32): void {
  const k = f32x4.splat(slope);
  const a = f32x4.pmax(first, f32x4.mul(first, k));
  const b = f32x4.pmax(second, f32x4.mul(second, k));
  if (count == 8) {
    v128.store(y, a);
    v128.store(y, b, 16);
  } else if (count >= 4) {
    v128.store(y, a);
    storeLanes(y + 16, b, count - 4);
  } else {
    storeLanes(y, a, count);
  }
}

/** Stores the first 0 to 3 lanes. */
function storeLanes(y: usize, v: v128, count: usize): void {
  if (count > 0) store<f32>(y, f32x4.extract_lane(v, 0));
  if (count > 1) store<f32>(y, f32x4.extract_lane(v, 1), 4);
  if (count > 2) store<f32>(y, f32x4.extract_lane(v, 2), 8);
}
