/**
 * Colours and marks. Every codec has one look in all charts and tables: ours are drawn heavily in cool colours,
 * competitors in warm or green ones, published curves in gray, and all differ in the shape of their marks as well, so that
 * nothing depends on telling colours apart.
 *
 * The light and the dark colours are chosen separately for contrast: marks at least 3:1, text at least 4.5:1 on the
 * surface. A page uses them as custom properties (`var(--name)`); standalone drawings have them spelled out.
 */

/** Colours by name, light and dark. */
const colors = {
  surface: ['#fcfcfb', '#1a1a19'],
  raised: ['#f3f2ee', '#252523'],
  ink: ['#16150f', '#f4f3ee'],
  muted: ['#595850', '#b3b1a6'],
  line: ['#deddd5', '#3a3934'],
  axis: ['#8d8b80', '#85837a'],
  link: ['#1c5cab', '#86b6ef'],
  good: ['#006300', '#4cc24c'],
  bad: ['#b3261e', '#ff8a80'],
  notice: ['#fdf3d7', '#3a3012'],
  ours1: ['#1f63c0', '#5b9df0'],
  ours2: ['#6f3fc4', '#b093f5'],
  ours3: ['#0b7285', '#3bc0d6'],
  rival1: ['#d4541a', '#f08a4b'],
  rival2: ['#9a7400', '#e0b13c'],
  rival3: ['#b52a67', '#f07aa8'],
  rival4: ['#2c7a1f', '#6cc35a'],
  rival5: ['#8a3b12', '#c99a7c'],
  rival6: ['#c02626', '#ff6b6b'],
  anchor: ['#77756b', '#9b998f'],
} as const;

/** Name of a colour. */
export type ColorName = keyof typeof colors;

/** How to write a colour: as a custom property or as its value. */
export type ColorOf = (name: ColorName) => string;

const names = Object.keys(colors) as ColorName[];

/** For pages: the name of a custom property. */
export const propertyColor: ColorOf = (name) => `var(--${name})`;

/** For drawings that stand alone. */
export const lightColor: ColorOf = (name) => colors[name][0];
export const darkColor: ColorOf = (name) => colors[name][1];

/** Custom properties of a page: light, dark where the reader prefers it, light again on paper. */
export function colorProperties(): string {
  const set = (color: ColorOf): string => names.map((name) => `--${name}:${color(name)}`).join(';');
  return [
    `:root{color-scheme:light dark;${set(lightColor)}}`,
    `@media (prefers-color-scheme:dark){:root{${set(darkColor)}}}`,
    `@media print{:root{color-scheme:light;${set(lightColor)}}}`,
  ].join('\n');
}

/** Font of pages and drawings: whatever the reader's system is set in. */
export const fontFamily =
  "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','Open Sans','DejaVu Sans',sans-serif";

/** Shapes of marks, around (0, 0) and about 8 pixels wide; open ones are drawn as lines. */
export const markShapes = {
  circle: 'M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0Z',
  square: 'M-3.6,-3.6H3.6V3.6H-3.6Z',
  triangle: 'M0,-4.6L4.4,3.4H-4.4Z',
  diamond: 'M0,-5L5,0L0,5L-5,0Z',
  wedge: 'M0,4.6L4.4,-3.4H-4.4Z',
  pentagon: 'M0,-4.6L4.4,-1.4L2.7,3.8H-2.7L-4.4,-1.4Z',
  hexagon: 'M-4.4,0L-2.2,-3.9H2.2L4.4,0L2.2,3.9H-2.2Z',
  star: 'M0,-5L1.3,-1.6L4.8,-1.5L2,0.6L3,4L0,2L-3,4L-2,0.6L-4.8,-1.5L-1.3,-1.6Z',
  bar: 'M-4.4,-1.6H4.4V1.6H-4.4Z',
} as const;

export type MarkShape = keyof typeof markShapes;

export const markShapeNames = Object.keys(markShapes) as MarkShape[];
