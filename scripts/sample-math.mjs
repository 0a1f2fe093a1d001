/**
 * Numbers of the sample picture: seeded randomness, 3-vectors as arrays, value noise.
 *
 * Invariants: `noise` and `fbm` depend on their arguments only, in [0, 1); `random` is one seeded sequence, so the
 * order of its calls is part of the picture.
 */

let seed = 20240229;
export function random() {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
export const clamp = (x, a = 0, b = 1) => Math.min(Math.max(x, a), b);
export const step = (a, b, x) => {
  const t = clamp((x - a) / (b - a));
  return t * t * (3 - 2 * t);
};
export const add = (a, b, k = 1) => [a[0] + k * b[0], a[1] + k * b[1], a[2] + k * b[2]];
export const sub = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const mul = (a, b) => [a[0] * b[0], a[1] * b[1], a[2] * b[2]];
export const scale = (a, k) => [a[0] * k, a[1] * k, a[2] * k];
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const unit = (a) => scale(a, 1 / Math.hypot(a[0], a[1], a[2]));
export const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];
export const mix = (a, b, t) => add(scale(a, 1 - t), b, t);

export function hash(x, y, z) {
  let h = Math.imul(x, 374761393) ^ Math.imul(y, 668265263) ^ Math.imul(z, 2147483647 - 1274126177);
  h = Math.imul(h ^ (h >>> 13), 1274126177);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}
export function noise(x, y, z = 0) {
  const [ix, iy, iz] = [Math.floor(x), Math.floor(y), Math.floor(z)];
  const fade = (t) => t * t * (3 - 2 * t);
  const [u, v, w] = [fade(x - ix), fade(y - iy), fade(z - iz)];
  const row = (j, k) => hash(ix, iy + j, iz + k) * (1 - u) + hash(ix + 1, iy + j, iz + k) * u;
  const near = row(0, 0) * (1 - v) + row(1, 0) * v;
  return w === 0 ? near : near * (1 - w) + (row(0, 1) * (1 - v) + row(1, 1) * v) * w;
}
export function fbm(x, y, octaves) {
  let [sum, weight] = [0, 0.5];
  for (let i = 0; i < octaves; i++, weight *= 0.5)
    sum += weight * noise(x * 2 ** i + 17 * i, y * 2 ** i + 31 * i);
  return sum;
}
