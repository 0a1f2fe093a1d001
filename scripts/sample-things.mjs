/**
 * The things on the table of the sample picture, as distance functions, and the search for what a ray meets.
 *
 * Units: the picture's lengths, y up, the table at y = 0; distances are lower bounds, 0 at the surface.
 * Source: sphere tracing (J. C. Hart, 1996).
 */

import { add, clamp, cross, dot, random, scale, sub, unit } from './sample-math.mjs';

export const VASE = [-1.05, 0, 0.45];
const profile = [
  [0, 0.3],
  [0.1, 0.34],
  [0.35, 0.47],
  [0.65, 0.55],
  [0.95, 0.49],
  [1.2, 0.31],
  [1.38, 0.205],
  [1.52, 0.19],
  [1.64, 0.27],
];
const vaseRadii = Float64Array.from({ length: 330 }, (_, n) => {
  const y = n / 200;
  const i = clamp(profile.findIndex(([h]) => h > y) - 1, 0, profile.length - 2) || (y > 1.6 ? 7 : 0);
  const at = (k) => profile[clamp(k, 0, profile.length - 1)];
  const t = (y - at(i)[0]) / (at(i + 1)[0] - at(i)[0]);
  const slope = (k) => (at(k + 1)[1] - at(k - 1)[1]) / (at(k + 1)[0] - at(k - 1)[0] || 1);
  const span = at(i + 1)[0] - at(i)[0];
  const [p, q, m, n2] = [at(i)[1], at(i + 1)[1], slope(i) * span, slope(i + 1) * span];
  return p + t * (m + t * (3 * (q - p) - 2 * m - n2 + t * (2 * (p - q) + m + n2)));
});

function vase(p) {
  const [x, y, z] = sub(p, VASE);
  const at = clamp(y, 0, 1.64) * 200;
  const i = Math.floor(at);
  const radius = vaseRadii[i] + (at - i) * (vaseRadii[i + 1] - vaseRadii[i]);
  const wall = Math.abs(Math.hypot(x, z) - radius + 0.025) - 0.025;
  return Math.max(wall * 0.72, y - 1.64, -y);
}

const ball = (p, c, r) => Math.hypot(p[0] - c[0], p[1] - c[1], p[2] - c[2]) - r;
const ORANGES = [
  [0.2, 0.37, -0.1, 0.37],
  [0.86, 0.34, 0.42, 0.34],
  [0.93, 0.335, -0.42, 0.335],
];
export const MARBLE = [-0.42, 0.2, -1.0];

function orange(p) {
  let best = 9;
  for (const [x, y, z, r] of ORANGES) {
    const dx = p[0] - x;
    const [dy, dz] = [(p[1] - y) * 1.06, p[2] - z];
    const side = Math.hypot(dx, dz);
    best = Math.min(
      best,
      (Math.hypot(side, dy) - r + 0.05 * Math.exp(-40 * side * side) * (dy > 0 ? 1 : 0)) * 0.9,
    );
  }
  return best;
}

// A tent card: its own axes, tilted back and turned a little.
export const CARD = {
  at: [1.88, 0, 0.1],
  right: unit([0.94, 0, -0.34]),
  up: unit([0.1, 0.95, 0.29]),
  w: 0.5,
  h: 0.8,
};
CARD.out = unit(cross(CARD.up, CARD.right));
CARD.up = cross(CARD.right, CARD.out);
if (CARD.up[1] < 0) CARD.up = scale(CARD.up, -1);
export function cardPlace(p) {
  const q = sub(p, CARD.at);
  return [dot(q, CARD.right), dot(q, CARD.up), dot(q, CARD.out)];
}
function card(p) {
  const [u, v, w] = cardPlace(p);
  return Math.max(Math.abs(u) - CARD.w, Math.abs(v - CARD.h / 2) - CARD.h / 2, Math.abs(w) - 0.014);
}

const stems = [];
const leaves = [];
const blossoms = [];
for (const [tx, ty, tz] of [
  [-1.85, 2.42, 0.5],
  [-1.45, 2.86, 0.7],
  [-0.98, 2.98, 0.3],
  [-0.55, 2.68, 0.6],
  [-0.18, 2.3, 0.35],
  [-1.2, 2.35, 0.05],
  [-0.75, 2.22, 0],
]) {
  const start = add(VASE, [0, 1.1, 0]);
  const tip = [tx, ty, tz];
  const bend = [VASE[0] + (tx - VASE[0]) * 0.22, 2.0, VASE[2] + (tz - VASE[2]) * 0.3];
  let last = start;
  for (let i = 1; i <= 6; i++) {
    const t = i / 6;
    const next = add(add(scale(start, (1 - t) ** 2), bend, 2 * t * (1 - t)), tip, t * t);
    stems.push({ a: last, ab: sub(next, last), kk: dot(sub(next, last), sub(next, last)) });
    if (i > 2 && i < 6) {
      const way = unit([random() - 0.5, 0.35 + random() * 0.4, random() - 0.7]);
      leaves.push({ at: add(next, way, 0.13), way, side: unit(cross(way, [random() - 0.5, 0.2, 1])) });
    }
    last = next;
  }
  const out = unit([(tx - VASE[0]) * 0.7 + random() * 0.2, 0.35, -0.85]);
  blossoms.push({ at: tip, out, right: unit(cross(out, [0.1, 1, 0.2])), size: 0.2 + random() * 0.06 });
}
for (const b of blossoms) b.up = cross(b.right, b.out);

function stem(p) {
  let best = 9;
  for (const { a, ab, kk } of stems) {
    const q = sub(p, a);
    const t = clamp(dot(q, ab) / kk);
    best = Math.min(best, Math.hypot(q[0] - t * ab[0], q[1] - t * ab[1], q[2] - t * ab[2]) - 0.013);
  }
  return best;
}
function leaf(p) {
  let best = 9;
  for (const { at, way, side } of leaves) {
    const q = sub(p, at);
    if (dot(q, q) > 0.16) {
      best = Math.min(best, Math.sqrt(dot(q, q)) - 0.2);
      continue;
    }
    const [l, s] = [dot(q, way), dot(q, side)];
    const flat = Math.sqrt(Math.max(0, dot(q, q) - l * l - s * s)) + 1.2 * l * l;
    best = Math.min(best, (Math.hypot(l / 0.15, s / 0.05, flat / 0.016) - 1) * 0.014);
  }
  return best;
}
/** Distance to the petals, and in `petal` what the colour needs: radius within the blossom, angle, heart or not. */
export const petal = { r: 0, angle: 0, heart: false };
export function blossom(p) {
  let best = 9;
  for (const { at, out, right, up, size } of blossoms) {
    const q = sub(p, at);
    const far = Math.sqrt(dot(q, q)) - size * 1.15;
    if (far > 0.05) {
      best = Math.min(best, far);
      continue;
    }
    const [x, y, z] = [dot(q, right), dot(q, up), dot(q, out)];
    const [r, angle] = [Math.hypot(x, y), Math.atan2(y, x)];
    const edge = size * (0.66 + 0.34 * Math.abs(Math.cos(angle * 4)) ** 0.7);
    const cup = 0.9 * (r / size) ** 2 * size * 0.45;
    const sheet = Math.max(Math.abs(z - cup) - 0.012, r - edge) * 0.45;
    const heart = Math.hypot(x, y, (z - 0.015) * 1.4) - size * 0.24;
    if (Math.min(sheet, heart) < best) {
      best = Math.min(sheet, heart);
      Object.assign(petal, { r: r / size, angle, heart: heart < sheet });
    }
  }
  return best;
}

const GROUPS = [
  { what: 'vase', f: vase, c: [-1.05, 0.82, 0.45], r: 1.02 },
  { what: 'orange', f: orange, c: [0.62, 0.35, 0], r: 0.95 },
  { what: 'marble', f: (p) => ball(p, MARBLE, 0.2), c: MARBLE, r: 0.2 },
  { what: 'card', f: card, c: [1.9, 0.4, 0.15], r: 0.75 },
  { what: 'stem', f: stem, c: [-1.05, 2.1, 0.4], r: 1.25 },
  { what: 'leaf', f: leaf, c: [-1.05, 2.2, 0.4], r: 1.25 },
  { what: 'blossom', f: blossom, c: [-1.05, 2.5, 0.4], r: 1.3 },
];

export function scene(p) {
  let [best, what] = [99, ''];
  for (const { f, c, r, what: name } of GROUPS) {
    const bound = ball(p, c, r);
    const d = bound > 0.15 ? bound : f(p);
    if (d < best) [best, what] = [d, name];
  }
  return { d: best, what };
}

/** The distances within which a ray meets the bounds of any thing. */
export function bounds(o, d) {
  let [from, to] = [Number.POSITIVE_INFINITY, 0];
  for (const { c, r } of GROUPS) {
    const q = sub(o, c);
    const b = dot(q, d);
    const h = b * b - dot(q, q) + (r + 0.02) ** 2;
    if (h <= 0 || -b + Math.sqrt(h) < 0) continue;
    from = Math.min(from, -b - Math.sqrt(h));
    to = Math.max(to, -b + Math.sqrt(h));
  }
  return [Math.max(from, 0), to];
}

export const TABLE_END = 2.1;

export function trace(o, d) {
  const table = d[1] < 0 ? -o[1] / d[1] : Number.POSITIVE_INFINITY;
  const onTable = table < 60 && o[2] + table * d[2] < TABLE_END;
  const [from, far] = bounds(o, d);
  const to = Math.min(far, table);
  for (let t = from, i = 0; t < to && i < 220; i++) {
    const { d: distance, what } = scene(add(o, d, t));
    if (distance < 0.0006) return { t, what };
    t += Math.max(distance, 0.0008);
  }
  return onTable ? { t: table, what: 'table' } : undefined;
}

export function normalAt(p) {
  const e = 0.0009;
  const f = (x, y, z) => scene([p[0] + x, p[1] + y, p[2] + z]).d;
  return unit([f(e, 0, 0) - f(-e, 0, 0), f(0, e, 0) - f(0, -e, 0), f(0, 0, e) - f(0, 0, -e)]);
}
