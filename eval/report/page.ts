/**
 * The report as one HTML page that needs nothing else: styles, script, charts and pictures are in it. Without the script
 * everything is there to read; values of marks are then titles, and pictures lie side by side.
 */
import type { Evaluation } from '../evaluation.js';
import { failureLines } from '../tables.js';
import { weightsNotes } from '../weights/summary.js';
import { type Chart, drawChart, legendOrder } from './chart.js';
import { cropFigures } from './crop-figures.js';
import type { CropComparison } from './crops.js';
import { countOf, isMeasured, pictureCount, runFacts } from './facts.js';
import {
  bdRateTable,
  codecList,
  codecName,
  measuredCurveTable,
  pictureRateTable,
  pictureTable,
  publishedCurveTable,
  weightsTable,
} from './html-tables.js';
import { type Child, element, fragment, Markup } from './markup.js';
import { metricsOf } from './metrics.js';
import { percentText } from './numbers.js';
import { enliven } from './page-script.js';
import { narrowChart, pageStyles, wideChart, wideNamedChart } from './page-style.js';
import { chartsOf } from './plots.js';
import { type ReportSeries, seriesOf } from './series.js';

const titleOf = (dataset: string): string => `Rate and distortion on ${dataset}`;

/** A part of the page with a heading, to which the navigation leads. */
interface Section {
  readonly id: string;
  readonly title: string;
  readonly content: readonly Child[];
}

/** What the last of our codecs, the one that crops show, gains or loses against each other one, as large numbers. */
function summary({ comparisons }: Evaluation, series: readonly ReportSeries[]): Markup | undefined {
  const own = series.findLast(({ codec }) => codec.kind === 'ours')?.codec.name;
  const tiles = comparisons.flatMap(({ tested, reference, metric, rate, smallOverlap }) => {
    const rival = series.find(({ codec }) => codec.name === reference);
    if (tested !== own || metric !== 'psnr' || !rate || !rival || smallOverlap) return [];
    return element(
      'li',
      {},
      element('b', { class: rate.percent < 0 ? 'good' : 'bad' }, percentText(rate.percent)),
      codecName(rival, reference),
    );
  });
  if (own === undefined || tiles.length === 0) return undefined;
  return fragment(
    element('p', {}, 'Bits of ', element('b', {}, own), ' at equal PSNR (BD-rate), against'),
    element('ul', { class: 'tiles' }, tiles),
  );
}

/** A chart in both sizes, with switches for its curves. */
function chartFigure(chart: Chart, note: string): Markup {
  const switches = legendOrder(chart).map((series) =>
    element(
      'label',
      {},
      element('input', { type: 'checkbox', checked: true, 'data-series': series.key }),
      codecName(series, series.codec.name),
    ),
  );
  const hasNames = chart.names === 'beside';
  return element(
    'figure',
    { class: hasNames ? 'chart-figure named' : 'chart-figure', id: chart.key },
    element('h3', {}, chart.title),
    element(
      'div',
      { class: 'plot' },
      drawChart(chart, hasNames ? wideNamedChart : wideChart),
      drawChart(chart, narrowChart),
      element('fieldset', { class: 'legend' }, element('legend', {}, 'Show'), switches),
    ),
    element('figcaption', {}, note),
  );
}

function environmentBlock(evaluation: Evaluation, series: readonly ReportSeries[]): Child[] {
  const runs = runFacts(evaluation).map(({ title, facts }) =>
    fragment(
      title === undefined ? undefined : element('h3', {}, title),
      element(
        'dl',
        {},
        facts.map(([name, value]) => fragment(element('dt', {}, name), element('dd', {}, value))),
      ),
    ),
  );
  const { codecs } = evaluation;
  return [runs, codecs.length > 0 ? [element('h3', {}, 'Codecs'), codecList(series)] : undefined];
}

function failureBlock({ failures }: Evaluation): Markup {
  if (failures.length === 0) {
    return element('p', {}, 'None: everything that was asked for was measured.');
  }
  return element(
    'ul',
    { class: 'failures' },
    failureLines(failures).map((line) => element('li', {}, line)),
  );
}

const notes = {
  rates:
    'Means over pictures. Curves are drawn as BD-rates are taken: PCHIP through the logarithm of the rate. Point at a mark for its values.',
  times:
    'Filled: encode; outlined: decode; lower and further left is better. Times are means over pictures and settings, on the machine below and under its load.',
  bdRates:
    'Average difference of bits at equal quality, over the qualities that both curves cover. Overlap is the part of the tested curve that this is. The black line in a bar is the 95 % interval of the mean over pictures.',
  weights:
    'Weights of the transforms, quantized; the entropy networks stay exact. Bits are those of the decoder: per weight that is quantized, with all overhead, and per parameter of its networks, with those that stay.',
  weightsChart:
    'One line per scheme, from few bits to many. Losses of 0.1 % and less, and gains, are drawn at 0.1 %.',
  crops:
    'The same part of a picture: original, ours, and a competitor at the setting whose file is nearest to ours in size. Pixels are shown as they were decoded.',
};

const folded = (summary: string, content: Markup): Markup =>
  element('details', {}, element('summary', {}, summary), content);

function sectionsOf(
  evaluation: Evaluation,
  series: readonly ReportSeries[],
  crops: readonly CropComparison[],
): Section[] {
  const { codecs, images } = evaluation;
  const charts = chartsOf(evaluation, series);
  const figures = (wanted: (chart: Chart) => boolean, note: string): Markup[] =>
    charts.filter(wanted).map((chart) => chartFigure(chart, note));
  const tables = metricsOf(evaluation).flatMap((metric) => bdRateTable(evaluation, series, metric) ?? []);
  const drawn = codecs.filter(({ curve }) => curve.length > 0);
  const measured = drawn.filter(isMeasured);
  const weights = weightsTable(evaluation, series);
  const all: Section[] = [
    {
      id: 'curves',
      title: 'Quality against rate',
      content: figures(({ key }) => key.startsWith('rate-'), notes.rates),
    },
    {
      id: 'bd-rates',
      title: 'BD-rates',
      content: tables.length > 0 ? [element('p', {}, notes.bdRates), ...tables] : [],
    },
    { id: 'times', title: 'Time against rate', content: figures(({ key }) => key === 'time', notes.times) },
    {
      id: 'weights',
      title: 'Quantized weights',
      content: weights
        ? [
            element('p', {}, notes.weights),
            ...figures(({ key }) => key === 'weights', notes.weightsChart),
            weights,
            weightsNotes(evaluation).map((note) => element('p', { class: 'muted' }, note)),
          ]
        : [],
    },
    {
      id: 'crops',
      title: 'Side by side',
      content: crops.length > 0 ? [element('p', {}, notes.crops), cropFigures(crops)] : [],
    },
    {
      id: 'pictures',
      title: 'Pictures',
      content:
        measured.length > 0 && images.length > 0
          ? [
              pictureRateTable(evaluation),
              element('h3', {}, 'All measurements'),
              element(
                'div',
                { class: 'folded' },
                images.map(({ name }) => folded(name, pictureTable(name, measured))),
              ),
            ]
          : [],
    },
    {
      id: 'points',
      title: 'Points of the curves',
      content:
        drawn.length > 0
          ? [
              element(
                'div',
                { class: 'folded' },
                drawn.map((codec) =>
                  folded(
                    codec.name,
                    isMeasured(codec) ? measuredCurveTable(codec) : publishedCurveTable(codec),
                  ),
                ),
              ),
            ]
          : [],
    },
    { id: 'environment', title: 'Environment', content: environmentBlock(evaluation, series) },
    { id: 'failures', title: 'Failures', content: [failureBlock(evaluation)] },
  ];
  return all.filter(({ content }) => content.length > 0);
}

function header(
  evaluation: Evaluation,
  series: readonly ReportSeries[],
  sections: readonly Section[],
): Markup {
  const { dataset, codecs, failures } = evaluation;
  const measured = codecs.filter((codec) => isMeasured(codec) && codec.curve.length > 0);
  const counts = `${pictureCount(evaluation)}, ${countOf(measured.length, 'codec')} measured`;
  return element(
    'header',
    {},
    element('h1', {}, titleOf(dataset)),
    element('p', { class: 'muted' }, `${counts}; bytes of complete files, quality of 8-bit pictures`),
    failures.length > 0
      ? element(
          'p',
          { class: 'alert', role: 'note' },
          `Not all could be measured: `,
          element('a', { href: '#failures' }, countOf(failureLines(failures).length, 'failure')),
          '.',
        )
      : undefined,
    summary(evaluation, series),
    element(
      'nav',
      { 'aria-label': 'Sections' },
      element(
        'ul',
        {},
        sections.map(({ id, title }) => element('li', {}, element('a', { href: `#${id}` }, title))),
      ),
    ),
  );
}

/** Style sheets and scripts are not escaped; only an end tag could leave them. */
const inline = (text: string): Markup => new Markup(text.replaceAll('</', '<\\/'));

/**
 * The page.
 *
 * @param crops pictures to look at; the section is left out without any
 * @returns a complete HTML document
 * @example
 * const html = reportPage(evaluation, []);
 */
export function reportPage(evaluation: Evaluation, crops: readonly CropComparison[]): string {
  const series = seriesOf(evaluation);
  const sections = sectionsOf(evaluation, series, crops);
  const page = element(
    'html',
    { lang: 'en' },
    element(
      'head',
      {},
      element('meta', { charset: 'utf-8' }),
      element('meta', { name: 'viewport', content: 'width=device-width,initial-scale=1' }),
      element('title', {}, titleOf(evaluation.dataset)),
      element('link', { rel: 'icon', href: 'data:,' }),
      element('style', {}, inline(pageStyles(series, crops.length))),
    ),
    element(
      'body',
      {},
      header(evaluation, series, sections),
      element(
        'main',
        {},
        sections.map(({ id, title, content }) =>
          element(
            'section',
            { id, 'aria-labelledby': `${id}-title` },
            element('h2', { id: `${id}-title` }, title),
            content,
          ),
        ),
      ),
      element('script', {}, inline(`(${enliven})(document)`)),
    ),
  );
  return `<!doctype html>\n${page.text}\n`;
}
