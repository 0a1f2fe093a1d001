/**
 * The view behind the table of the sample picture: sky, clouds, hills, meadow.
 *
 * Units: unit directions in, linear RGB out; the view lies at infinity.
 */

import { clamp, fbm, mix, mul, scale, step } from './sample-math.mjs';

export function sky(d) {
  const up = clamp(d[1]);
  const base = mix([1.0, 0.8, 0.6], [0.1, 0.3, 0.74], Math.min(1, up * 2.9) ** 0.6);
  const [a, e] = [d[0] / Math.max(d[2], 0.2), d[1] / Math.max(d[2], 0.2)];
  const cloud = step(0.42, 0.7, fbm(a * 3.2 + e * 2 + 1.7, e * 11, 5));
  return mix(base, [1.05, 0.97, 0.92], cloud * 0.8);
}

const ridges = [
  { base: 0.06, height: 0.2, size: 3.1, color: [0.2, 0.3, 0.5], haze: 0.5 },
  { base: 0.01, height: 0.15, size: 4.3, color: [0.1, 0.22, 0.27], haze: 0.3 },
  { base: -0.03, height: 0.09, size: 6, color: [0.06, 0.15, 0.07], haze: 0.12 },
  { base: -0.085, height: 0.07, size: 5, color: [0.16, 0.27, 0.04], haze: 0.04 },
];

export function background(d) {
  if (d[2] < 0.2) return d[1] < 0 ? [0.3, 0.22, 0.14] : sky(d);
  const [a, e] = [d[0] / d[2], d[1] / d[2]];
  let color = sky(d);
  for (const [i, { base, height, size, color: own, haze }] of ridges.entries()) {
    let top = base + height * (fbm(a * size + i * 9.7, i * 3.3, 4) - 0.35);
    if (i >= 1) top += 0.008 * i * fbm(a * 90, i, 2);
    if (e > top) continue;
    const depth = top - e;
    // Tree crowns and meadow stripes: lit from the left, darker between.
    const crowns = fbm(a * (60 + 30 * i), e * (90 + 50 * i), 4);
    const lit = fbm(a * size * 3 - 0.05, e * 30, 3) - fbm(a * size * 3 + 0.05, e * 30, 3);
    let ground = scale(own, 0.45 + 1.25 * crowns + 2 * lit);
    if (i === 3) {
      const stripes = step(0.3, 0.7, fbm(a * 3 + e * 14, e * 26, 3));
      ground = mix(
        ground,
        mul([0.55, 0.46, 0.1], [0.6 + crowns, 0.6 + crowns, 0.6 + crowns]),
        stripes * 0.75,
      );
    }
    const mist = clamp(haze + 0.35 * Math.exp(-depth * 60) * haze);
    color = mix(ground, [0.86, 0.76, 0.68], mist);
  }
  return color;
}
