/**
 * Charts as files of their own: SVG that follows the reader's light or dark scheme, and PNG in the light one.
 *
 * Units: drawings are 960 x 560 pixels; PNG files have twice as many, for screens of high density and for print.
 */
import { UnsupportedError } from '../../src/errors.js';
import { type Chart, chartStyles, drawChart } from './chart.js';
import type { ReportSeries } from './series.js';
import { darkColor, lightColor } from './theme.js';

const size = { name: 'file', width: 960, height: 560, named: true, headed: true } as const;

/** Twice what sharp draws at the size that a drawing states. */
const pngDensity = 144;

/**
 * A chart as an SVG document.
 *
 * @param scheme `light` only, or what the reader prefers
 */
export function chartFile(
  chart: Chart,
  series: readonly ReportSeries[],
  scheme: 'light' | 'preferred',
): string {
  const light = `svg{background:${lightColor('surface')}}\n${chartStyles(series, lightColor)}`;
  const dark = `svg{background:${darkColor('surface')}}\n${chartStyles(series, darkColor)}`;
  const style = scheme === 'light' ? light : `${light}\n@media (prefers-color-scheme:dark){\n${dark}\n}`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${drawChart(chart, size, style).text}\n`;
}

/**
 * A chart as a PNG file.
 *
 * @throws UnsupportedError where sharp does not load
 */
export async function chartImage(chart: Chart, series: readonly ReportSeries[]): Promise<Uint8Array> {
  const sharp = await import('sharp').catch((error: unknown) => {
    throw new UnsupportedError('Expected the package sharp for charts as PNG but it does not load', {
      cause: error,
    });
  });
  return sharp
    .default(Buffer.from(chartFile(chart, series, 'light')), { density: pngDensity })
    .flatten({ background: lightColor('surface') })
    .png()
    .toBuffer();
}
