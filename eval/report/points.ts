/**
 * Measured points as rows of text, for tables of pages and documents: the means of a curve, or one picture's measurements.
 */
import type { MeanValues, Measurement } from '../measure.js';
import { reportMetrics } from './metrics.js';
import { absent, numberText } from './numbers.js';

type Point = Measurement | MeanValues;

interface Column {
  readonly title: string;
  readonly digits: number;
  readonly of: (point: Point) => number | undefined;
}

const columns: readonly Column[] = [
  { title: 'bytes', digits: 0, of: ({ bytes }) => bytes },
  { title: 'bpp', digits: 4, of: ({ bpp }) => bpp },
  { title: 'estimated bpp', digits: 4, of: ({ estimatedBpp }) => estimatedBpp },
  ...reportMetrics.map(({ name, unit, digits, of }) => ({
    title: unit ? `${name}, ${unit}` : name,
    digits: digits + 1,
    of,
  })),
  { title: 'luma PSNR, dB', digits: 3, of: ({ lumaPsnr }) => lumaPsnr },
  {
    title: 'pooled PSNR, dB',
    digits: 3,
    of: (point) => ('pooledPsnr' in point ? point.pooledPsnr : undefined),
  },
  { title: 'encode, s', digits: 3, of: ({ encodeSeconds }) => encodeSeconds },
  { title: 'decode, s', digits: 3, of: ({ decodeSeconds }) => decodeSeconds },
];

/** Titles of columns, and the cells of a point below them; values that no point has are left out. */
export function pointCells(points: readonly Point[]): {
  readonly titles: string[];
  cells(point: Point): string[];
} {
  const shown = columns.filter(({ of }) => points.some((point) => of(point) !== undefined));
  return {
    titles: ['setting', ...shown.map(({ title }) => title)],
    cells: (point) => [
      String(point.setting),
      ...shown.map(({ of, digits }) => {
        const value = of(point);
        return value === undefined ? absent : numberText(value, digits);
      }),
    ],
  };
}
