/**
 * Reports: an evaluation as files that people look at. `report.html` is complete in itself; the charts are there again as
 * SVG and PNG files, and the numbers as a Markdown document.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../src/io/index.js';
import type { Evaluation } from '../evaluation.js';
import type { CropComparison } from './crops.js';
import { chartPrefix, resultsDocument } from './document.js';
import { chartFile, chartImage } from './files.js';
import { reportPage } from './page.js';
import { chartsOf } from './plots.js';
import { seriesOf } from './series.js';

export {
  type CodedCrop,
  type CropArea,
  type CropComparison,
  type CropOptions,
  compareCrops,
  defaultCropOptions,
  encodeToSize,
  mostDifferentArea,
  type SizedFile,
} from './crops.js';
export { type DocumentOptions, releaseDocument, resultsDocument } from './document.js';
export { reportPage } from './page.js';

export interface ReportOptions {
  /** Where the files go; made where it does not exist. */
  readonly folder: string;
  /** Pictures to look at (`compareCrops`); default none. */
  readonly crops?: readonly CropComparison[];
  /** What made the evaluation, for the document. */
  readonly command?: string;
}

/**
 * Writes report.html, results.md and every chart as SVG and PNG.
 *
 * @returns paths of the files, the page first
 * @throws UsageError where the folder cannot be written, UnsupportedError where sharp does not load
 * @example
 * const [page] = await writeReport(evaluation, { folder: 'out/report' });
 */
export async function writeReport(evaluation: Evaluation, options: ReportOptions): Promise<string[]> {
  const { folder, crops = [], command } = options;
  const series = seriesOf(evaluation);
  const text = (content: string): Uint8Array => new TextEncoder().encode(content);
  const files = new Map<string, Uint8Array>([
    ['report.html', text(reportPage(evaluation, crops))],
    [
      'results.md',
      text(resultsDocument(evaluation, { charts: '.', ...(command === undefined ? {} : { command }) })),
    ],
  ]);
  for (const chart of chartsOf(evaluation, series)) {
    files.set(`${chart.key}.svg`, text(chartFile(chart, series, 'preferred')));
    files.set(`${chart.key}.png`, await chartImage(chart, series));
  }
  return writeFiles(folder, files);
}

/**
 * Writes the charts of an evaluation as SVG alone, named by its set, so that those of several lie in one folder.
 *
 * @returns paths of the files
 * @throws UsageError where the folder cannot be written
 * @example
 * await writeCharts(evaluation, 'docs/results'); // kodak-rate-psnr.svg, kodak-time.svg
 */
export async function writeCharts(evaluation: Evaluation, folder: string): Promise<string[]> {
  const series = seriesOf(evaluation);
  const files = chartsOf(evaluation, series).map(
    (chart) =>
      [
        `${chartPrefix(evaluation)}${chart.key}.svg`,
        new TextEncoder().encode(chartFile(chart, series, 'preferred')),
      ] as const,
  );
  return writeFiles(folder, new Map(files));
}

async function writeFiles(folder: string, files: ReadonlyMap<string, Uint8Array>): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const paths: string[] = [];
  for (const [name, bytes] of files) {
    const path = join(folder, name);
    await writeFileAtomic(path, bytes);
    paths.push(path);
  }
  return paths;
}
