/**
 * Renders assets/sample.png, the picture of the examples and tests: a still life that this project made itself,
 * so that it may be shipped. `node scripts/render-sample.mjs [--draft] [file]`
 *
 * Units: metres times ten, y up, z away from the camera; colours are linear RGB until the last step.
 * What it holds is chosen for a codec: smooth sky and glaze, fine texture (wood, weave, blossoms, grass), sharp
 * edges, small print, soft shadows, highlights, blur and mild sensor noise. Seeded: equal runs, equal bytes.
 * Source of the technique: sphere tracing of distance functions (J. C. Hart, 1996).
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encode } from 'fast-png';
import { background, sky } from './sample-landscape.mjs';
import {
  add,
  clamp,
  cross,
  dot,
  fbm,
  hash,
  mix,
  mul,
  noise,
  random,
  scale,
  step,
  sub,
  unit,
} from './sample-math.mjs';
import { glyphAt } from './sample-text.mjs';
import {
  blossom,
  bounds,
  CARD,
  cardPlace,
  normalAt,
  petal,
  scene,
  TABLE_END,
  trace,
  VASE,
} from './sample-things.mjs';

const draft = process.argv.includes('--draft');
const WIDTH = draft ? 384 : 768;
const HEIGHT = draft ? 256 : 512;
const GRID = draft ? 2 : 4; // samples per pixel and axis

const SUN = unit([-0.62, 0.62, -0.42]);
const SUNLIGHT = [3.3, 2.85, 2.2];

// ---- materials -----------------------------------------------------------------------------------------------

function wood([x, , z]) {
  const plank = Math.floor((z + 40) / 0.62);
  const inPlank = (z + 40) / 0.62 - plank;
  const shift = hash(plank, 7, 1) * 40;
  const warp = fbm(x * 0.5 + shift, z * 2.2, 3);
  const rings = 0.5 + 0.5 * Math.sin((z * 5 + warp * 11 + shift) * 2.4);
  const grain = fbm(x * 5 + shift, z * 110, 3);
  const tone = 0.75 + 0.45 * hash(plank, 3, 5);
  const color = scale(
    mix([0.33, 0.155, 0.065], [0.56, 0.31, 0.14], rings * 0.6 + grain * 0.5),
    tone * (0.7 + 0.5 * grain),
  );
  const gap = Math.min(inPlank, 1 - inPlank);
  return { color: scale(color, 0.25 + 0.75 * step(0.004, 0.022, gap)), gloss: 0.05 + 0.05 * grain };
}

/** The cloth's own coordinates; undefined off the cloth. */
function clothAt([x, , z]) {
  const [cx, cz] = [x + 0.35, z + 0.1];
  const u = cx * 0.94 - cz * 0.34;
  const v = cx * 0.34 + cz * 0.94;
  if (Math.abs(u) > 1.75) return undefined;
  const threads = Math.abs(v) - 1.05;
  if (threads > 0.12) return undefined;
  if (threads > 0 && Math.sin(u * 150 + 2 * noise(u * 40, v * 9)) < 0.1) return undefined;
  return { u, v, fringe: threads > 0 };
}
function cloth({ u, v, fringe }) {
  const weave = 0.8 + 0.2 * Math.sin(u * 190) * Math.sin(v * 190) + 0.16 * (noise(u * 210, v * 210) - 0.5);
  if (fringe) return { color: scale([0.8, 0.74, 0.62], weave), gloss: 0 };
  const band = (t) => step(0.18, 0.19, Math.abs(((((t / 0.46) % 1) + 1) % 1) - 0.5) - 0.08);
  const line = (t) => (Math.abs(((((t / 0.46) % 1) + 1) % 1) - 0.5) < 0.035 ? 1 : 0);
  const amount = (band(u) + band(v)) / 2;
  let color = mix([0.86, 0.83, 0.76], [0.09, 0.2, 0.42], amount);
  color = mix(color, [0.7, 0.12, 0.1], (line(u) + line(v)) * 0.4);
  return { color: scale(color, weave), gloss: 0 };
}

function material(what, p, n) {
  switch (what) {
    case 'table': {
      const on = clothAt(p);
      return on ? cloth(on) : wood(p);
    }
    case 'vase': {
      const [x, y, z] = sub(p, VASE);
      const angle = Math.atan2(x, -z);
      const glaze = mix([0.05, 0.27, 0.3], [0.12, 0.42, 0.4], fbm(angle * 5, y * 7, 4));
      const cream = scale([0.82, 0.77, 0.64], 0.9 + 0.15 * noise(angle * 30, y * 40));
      const zig = Math.abs((((((angle * 14) / (2 * Math.PI)) % 1) + 1) % 1) - 0.5) * 0.34;
      const inBand = y > 0.5 && y < 0.88;
      const painted =
        Math.abs(y - 0.61 - zig) < 0.04 || Math.abs(y - 0.53) < 0.012 || Math.abs(y - 0.85) < 0.012;
      if (y < 0.07 || y > 1.61)
        return { color: scale([0.42, 0.2, 0.1], 0.8 + 0.4 * noise(x * 60, y * 60, z * 60)), gloss: 0.05 };
      return { color: inBand ? (painted ? [0.1, 0.13, 0.3] : cream) : glaze, gloss: 1 };
    }
    case 'orange': {
      const pores = noise(p[0] * 46, p[1] * 46, p[2] * 46);
      const green = step(0.3, 0.75, fbm(p[0] * 3 + 5, p[1] * 3 + p[2] * 2, 3)) * 0.18;
      return {
        color: mix(scale([0.9, 0.165, 0.004], 0.86 + 0.2 * pores), [0.5, 0.45, 0.04], green),
        gloss: 0.32,
        bump: 0.1,
      };
    }
    case 'marble': {
      const swirl = fbm(p[0] * 9 + 3 * noise(p[1] * 8, p[2] * 8), p[1] * 9, 4);
      return { color: mix([0.35, 0.02, 0.04], [0.02, 0.02, 0.03], step(0.3, 0.65, swirl)), gloss: 1.6 };
    }
    case 'card': {
      const [u, v, w] = cardPlace(p);
      const paper = scale([0.87, 0.84, 0.77], 0.96 + 0.06 * noise(u * 300, v * 300));
      const front = dot(n, CARD.out) * (CARD.out[2] < 0 ? 1 : -1) > 0.5 && Math.abs(w) > 0.008;
      return {
        color: front ? mix(paper, [0.05, 0.06, 0.12], glyphAt(u / CARD.w, v / CARD.h)) : paper,
        gloss: 0.02,
      };
    }
    case 'stem':
      return { color: [0.16, 0.24, 0.06], gloss: 0.05 };
    case 'leaf':
      return {
        color: scale([0.13, 0.3, 0.07], 0.7 + 0.6 * noise(p[0] * 30, p[1] * 30, p[2] * 30)),
        gloss: 0.18,
      };
    default: {
      blossom(p);
      if (petal.heart)
        return {
          color: scale([0.75, 0.46, 0.05], 0.5 + noise(p[0] * 120, p[1] * 120, p[2] * 120)),
          gloss: 0,
        };
      const veins = 0.85 + 0.15 * Math.sin(petal.angle * 40);
      return {
        color: scale(mix([0.85, 0.3, 0.42], [0.97, 0.88, 0.86], step(0.2, 0.8, petal.r)), veins),
        gloss: 0.03,
      };
    }
  }
}

// ---- light ---------------------------------------------------------------------------------------------------

/** 0 in shadow, 1 in the sun; the sun is widened so that shadows are soft. */
function sunlit(p) {
  const jitter = [random() - 0.5, random() - 0.5, random() - 0.5];
  const d = unit(add(SUN, jitter, 0.13));
  const [from, to] = bounds(p, d);
  for (let t = Math.max(from, 0.012), i = 0; t < to && i < 90; i++) {
    const { d: distance } = scene(add(p, d, t));
    if (distance < 0.0008) return 0;
    t += Math.max(distance, 0.004);
  }
  return 1;
}

function openness(p, n) {
  let shade = 0;
  for (const [h, k] of [
    [0.03, 6],
    [0.08, 3.2],
    [0.18, 1.5],
    [0.36, 0.7],
    [0.6, 0.35],
  ]) {
    const q = add(p, n, h);
    shade += Math.max(0, h - Math.min(scene(q).d, q[1] > 0 && q[2] < TABLE_END + 0.2 ? q[1] : 9)) * k;
  }
  return clamp(1 - shade * 0.62, 0.06, 1);
}

function shade(o, d, bounces) {
  const hit = trace(o, d);
  if (!hit) return background(d);
  const p = add(o, d, hit.t);
  let n = hit.what === 'table' ? [0, 1, 0] : normalAt(p);
  const { color, gloss, bump } = material(hit.what, p, n);
  if (bump) {
    const e = (k) => noise(p[0] * 42 + k * 7, p[1] * 42 + k * 3, p[2] * 42 + k * 5) - 0.5;
    n = unit(add(n, [e(1), e(2), e(3)], bump));
  }
  if (hit.what === 'table' && clothAt(p)) {
    const fold = (x, z) => fbm(x * 1.3 + 3, z * 1.1, 3);
    n = unit([
      (fold(p[0], p[2]) - fold(p[0] + 0.05, p[2])) * 7,
      1,
      (fold(p[0], p[2]) - fold(p[0], p[2] + 0.05)) * 7,
    ]);
  }
  const facing = dot(n, SUN);
  const thin = hit.what === 'blossom' || hit.what === 'leaf';
  const surface = add(p, n, 0.002);
  const sun = facing > 0 || thin ? sunlit(thin ? add(p, SUN, 0.03) : surface) : 0;
  const direct = thin ? Math.max(facing, 0) + 0.35 * Math.max(-facing, 0) : Math.max(facing, 0);
  const open = openness(p, n);
  const ambient = mix([0.36, 0.27, 0.18], [0.5, 0.6, 0.8], 0.5 + 0.5 * n[1]);
  let light = mul(color, add(scale(ambient, open * 0.8), SUNLIGHT, direct * sun));
  if (gloss > 0) {
    const cosine = clamp(-dot(n, d));
    const fresnel = Math.min(gloss, 1) * (0.04 + 0.96 * (1 - cosine) ** 5);
    const half = unit(sub(SUN, d));
    const tight = gloss > 0.8 ? 420 : 38;
    const highlight = Math.max(0, dot(n, half)) ** tight * (gloss > 0.8 ? 9 : 1.1) * gloss * sun;
    light = add(light, SUNLIGHT, highlight * 0.35);
    const r = add(d, n, -2 * dot(d, n));
    const seen =
      bounces > 0 && gloss > 0.5
        ? shade(surface, r, bounces - 1)
        : mix(sky(r), [0.4, 0.3, 0.2], step(0.1, -0.2, r[1]));
    light = add(light, scale(seen, open), fresnel * (gloss > 0.5 ? 1 : 0.5));
  }
  return light;
}

// ---- camera --------------------------------------------------------------------------------------------------

const EYE = [0.35, 1.95, -6.4];
const FORWARD = unit(sub([0.3, 1.36, 0.3], EYE));
const RIGHT = unit(cross([0, 1, 0], FORWARD));
const UP = cross(FORWARD, RIGHT);
const FOCUS = 6.45;
const LENS = 0.03;

function ray(x, y) {
  const zoom = 0.3;
  const u = ((2 * x - WIDTH) / HEIGHT) * zoom;
  const v = ((HEIGHT - 2 * y) / HEIGHT) * zoom;
  const through = add(add(FORWARD, RIGHT, u), UP, v);
  const [radius, angle] = [LENS * Math.sqrt(random()), 2 * Math.PI * random()];
  const offset = add(scale(RIGHT, radius * Math.cos(angle)), UP, radius * Math.sin(angle));
  return { o: add(EYE, offset), d: unit(sub(scale(through, FOCUS), offset)) };
}

const tone = (x) => clamp((x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14));
const gamma = (x) => (x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055);
const gauss = () => random() + random() + random() + random() - 2;

function render() {
  const data = new Uint8Array(WIDTH * HEIGHT * 3);
  for (let y = 0, to = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      let sum = [0, 0, 0];
      for (let s = 0; s < GRID * GRID; s++) {
        const { o, d } = ray(
          x + ((s % GRID) + random()) / GRID,
          y + (Math.floor(s / GRID) + random()) / GRID,
        );
        sum = add(
          sum,
          shade(o, d, 1).map((c) => Math.min(c, 6)),
        );
      }
      const vignette = 1 - 0.2 * (((2 * x) / WIDTH - 1) ** 2 + ((2 * y) / HEIGHT - 1) ** 2) * 0.6;
      const grain = gauss() * 1.6;
      for (let c = 0; c < 3; c++) {
        const value = gamma(tone((sum[c] / GRID ** 2) * vignette * 0.56));
        data[to++] = clamp(Math.round(value * 255 + grain + gauss() * 0.9), 0, 255);
      }
    }
  }
  return data;
}

const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const file = names[0] ?? fileURLToPath(new URL('../assets/sample.png', import.meta.url));
const bytes = encode(
  { width: WIDTH, height: HEIGHT, channels: 3, depth: 8, data: render() },
  { zlib: { level: 9 } },
);
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, bytes);
console.log(`${file}: ${WIDTH}x${HEIGHT}, ${bytes.length} bytes`);
