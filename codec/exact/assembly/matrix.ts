/**
 * Matrix kernels: 1x1 and general convolutions as products of a packed weight matrix and panels of pixels.
 *
 * Order of summation: y[o,p] = bias[o] + w[o,0]*x[0,p] + w[o,1]*x[1,p] + ..., one product at a time, then LeakyReLU.
 * Speed: 4 outputs x 8 pixels live in eight registers (V8 has fifteen to give); the pixels are copied into panels
 * [pixels/8][inputs][8], since rows of a picture are often a multiple of 4096 bytes apart, which is one cache set.
 * Weights are packed as [outputs/4][1 + inputs][4], bias first, zeros behind the last output.
 */

/**
 * Pixels per panel. A panel of 192 inputs then takes 96 KiB of the second-level cache, and every row of the picture,
 * mostly a memory page of its own, is visited in pieces of 512 bytes (measured: 20 % faster than 256 bytes).
 */
const PANEL: usize = 128;

/** Floats of scratch that pointwise and conv need, for inputs * kh * kw terms per sum: a panel and one block. */
export function panelSize(terms: usize): usize {
  return PANEL * terms + 32;
}

/** Packs w [outputs,inputs] and bias [outputs] (0: no bias, zeros) for pointwise and conv. */
export function packMatrix(w: usize, bias: usize, packed: usize, outputs: usize, inputs: usize): void {
  for (let block: usize = 0; block < outputs; block += 4) {
    for (let lane: usize = 0; lane < 4; lane++) {
      const o = block + lane;
      let to = packed + block * (inputs + 1) * 4 + lane * 4;
      const inside = o < outputs;
      store<f32>(to, inside && bias ? load<f32>(bias + o * 4) : 0);
      for (let i: usize = 0; i < inputs; i++) {
        to += 16;
        store<f32>(to, inside ? load<f32>(w + (o * inputs + i) * 4) : 0);
      }
    }
  }
}

/**
 * x [inputs,pixels] -> y [outputs,pixels]. `panel` is scratch: panelSize(inputs) floats.
 * slope: LeakyReLU's slope, 1 for none.
 */
export function pointwise(
  x: usize,
  packed: usize,
  y: usize,
  panel: usize,
  inputs: usize,
  outputs: usize,
  pixels: usize,
  slope: f32,
): void {
  for (let p: usize = 0; p < pixels; p += PANEL) {
    const count = min(PANEL, pixels - p);
    packPixels(x + p * 4, panel, inputs, pixels, count);
    multiplyPanel(panel, packed, y + p * 4, inputs, outputs, pixels, count, slope);
  }
}

/**
 * x [inputs,height,width] -> y [outputs,outHeight,outWidth] with kernels kh x kw, ascending input channel, then
 * kernel row, then kernel column. Values outside of the picture count as +0 and are multiplied and added too.
 * `panel` is scratch: panelSize(inputs*kh*kw) floats.
 */
export function conv(
  x: usize,
  packed: usize,
  y: usize,
  panel: usize,
  inputs: usize,
  outputs: usize,
  height: isize,
  width: isize,
  kh: isize,
  kw: isize,
  stride: isize,
  top: isize,
  left: isize,
  outHeight: usize,
  outWidth: usize,
  slope: f32,
): void {
  const terms = inputs * kh * kw;
  const pixels = outHeight * outWidth;
  for (let p: usize = 0; p < pixels; p += PANEL) {
    const count = min(PANEL, pixels - p);
    let row: usize = 0;
    for (let i: usize = 0; i < inputs; i++) {
      const plane = x + i * height * width * 4;
      for (let ky: isize = 0; ky < kh; ky++) {
        for (let kx: isize = 0; kx < kw; kx++, row++) {
          packTap(plane, panel + row * 32, terms, height, width, stride, ky - top, kx - left, outWidth, p, count);
        }
      }
    }
    multiplyPanel(panel, packed, y + p * 4, terms, outputs, pixels, count, slope);
  }
}

/** x [inputs, stride] -> panel [ceil(count/8)][inputs][8], zeros behind the last pixel. */
function packPixels(x: usize, panel: usize, inputs: usize, stride: usize, count: usize): void {
  const whole = count & ~7;
  const jump = inputs * 32;
  for (let i: usize = 0; i < inputs; i++) {
    const from = x + i * stride * 4;
    let to = panel + i * 32;
    for (let p: usize = 0; p < whole; p += 8) {
      v128.store(to, v128.load(from + p * 4));
      v128.store(to, v128.load(from + p * 4, 16), 16);
      to += jump;
    }
    if (whole == count) continue;
    for (let p: usize = 0; p < 8; p++) {
      store<f32>(to + p * 4, whole + p < count ? load<f32>(from + (whole + p) * 4) : 0);
    }
  }
}

/** One row of a panel of patches: the values that one tap of the kernel sees at `count` outputs from `first`. */
function packTap(
  plane: usize,
  to: usize,
  terms: usize,
  height: isize,
  width: isize,
  stride: isize,
  dy: isize,
  dx: isize,
  outWidth: usize,
  first: usize,
  count: usize,
): void {
  let oy = (first / outWidth) as isize;
  let ox = (first % outWidth) as isize;
  const padded = (count + 7) & ~7;
  for (let p: usize = 0; p < padded; p++) {
    const yy = oy * stride + dy;
    const xx = ox * stride + dx;
    const inside = p < count && yy >= 0 && yy < height && xx >= 0 && xx < width;
    store<f32>(to + ((p >> 3) * terms * 8 + (p & 7)) * 4, inside ? load<f32>(plane + (yy * width + xx) * 4) : 0);
    if (++ox == (outWidth as isize)) {
      ox = 0;
      oy++;
    }
  }
}

/** Panel times packed weights -> `count` columns of y [outputs, stride]. */
function multiplyPanel(
  panel: usize,
  packed: usize,
  y: usize,
  inputs: usize,
  outputs: usize,
  stride: usize,
  count: usize,
  slope: f32,
): void {
  const row = stride * 4;
  const edge = panel + PANEL * inputs * 4;
  for (let o: usize = 0; o < outputs; o += 4) {
    const weights = packed + o * (inputs + 1) * 4;
    const rows = min(4, outputs - o);
    for (let p: usize = 0; p < count; p += 8) {
      const pixels = panel + p * inputs * 4;
      const to = y + o * row + p * 4;
      const columns = min(8, count - p);
      if (rows == 4 && columns == 8) {
        multiplyBlock(pixels, weights, to, row, inputs, slope);
      } else {
        multiplyBlock(pixels, weights, edge, 32, inputs, slope);
        for (let r: usize = 0; r < rows; r++) memory.copy(to + r * row, edge + r * 32, columns * 4);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function leaky(v: v128, slope: v128): v128 {
  return f32x4.pmax(v, f32x4.mul(v, slope));
}

/**
 * 4 outputs x 8 pixels: pixels [inputs][8], weights [1 + inputs][4], y rows `row` bytes apart. Not unrolled on
 * purpose: V8 makes slower code of a longer body (measured: 16.8 GMAC/s so, 14.0 unrolled by two, 12.9 by four).
 */
function multiplyBlock(x: usize, w: usize, y: usize, row: usize, inputs: usize, slope: f32): void {
  let a0 = v128.load32_splat(w);
  let b0 = v128.load32_splat(w, 4);
  let c0 = v128.load32_splat(w, 8);
  let d0 = v128.load32_splat(w, 12);
  let a1 = a0;
  let b1 = b0;
  let c1 = c0;
  let d1 = d0;
  w += 16;
  const end = x + inputs * 32;
  while (x < end) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    let s = v128.load32_splat(w);
    a0 = f32x4.add(a0, f32x4.mul(s, x0));
    a1 = f32x4.add(a1, f32x4.mul(s, x1));
    s = v128.load32_splat(w, 4);
    b0 = f32x4.add(b0, f32x4.mul(s, x0));
    b1 = f32x4.add(b1, f32x4.mul(s, x1));
    s = v128.load32_splat(w, 8);
    c0 = f32x4.add(c0, f32x4.mul(s, x0));
    c1 = f32x4.add(c1, f32x4.mul(s, x1));
    s = v128.load32_splat(w, 12);
    d0 = f32x4.add(d0, f32x4.mul(s, x0));
    d1 = f32x4.add(d1, f32x4.mul(s, x1));
    x += 32;
    w += 16;
  }
  const k = f32x4.splat(slope);
  v128.store(y, leaky(a0, k));
  v128.store(y, leaky(a1, k), 16);
  y += row;
  v128.store(y, leaky(b0, k));
  v128.store(y, leaky(b1, k), 16);
  y += row;
  v128.store(y, leaky(c0, k));
  v128.store(y, leaky(c1, k), 16);
  y += row;
  v128.store(y, leaky(d0, k));
  v128.store(y, leaky(d1, k), 16);
}
