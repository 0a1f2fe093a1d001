/**
 * Draws a chart of points and curves over two axes as one SVG element.
 *
 * Units: pixels of the drawing; at its natural size text is 13 pixels high, so a drawing is made for the width it is
 * shown at and not shrunk. Every mark carries its values as a `title`, which browsers show without any script. Curves
 * that leave the plot are cut at its frame. Looks are classes, which `chartStyles` colours for a page or for a file.
 */
import { type Child, coordinate, element, fragment, Markup } from './markup.js';
import { linearScale, logScale, type Scale } from './scales.js';
import type { ReportSeries } from './series.js';
import { type ColorOf, fontFamily, markShapes } from './theme.js';

/** A point with what is shown when it is pointed at. */
export interface ChartPoint {
  readonly x: number;
  readonly y: number;
  /** Lines of text. */
  readonly title: string;
  /** Drawn as an outline. */
  readonly open?: boolean;
}

/** A cubic piece of a curve in data units, between the ends of `from` and `to`. */
export interface CurvePiece {
  readonly from: readonly [number, number];
  readonly controls: readonly [readonly [number, number], readonly [number, number]];
  readonly to: readonly [number, number];
}

/** One codec of a chart; at least one point. */
export interface ChartLine {
  readonly series: ReportSeries;
  readonly points: readonly ChartPoint[];
  readonly pieces: readonly CurvePiece[];
}

/** A horizontal line across the plot. */
export interface ChartLevel {
  readonly series: ReportSeries;
  readonly y: number;
}

export interface ChartAxis {
  readonly title: string;
  readonly domain: readonly [number, number];
  readonly logarithmic?: boolean;
}

/** What to draw. */
export interface Chart {
  /** Identifier within a page, and name of files. */
  readonly key: string;
  readonly title: string;
  /** One or two sentences for those who do not see it. */
  readonly description: string;
  readonly x: ChartAxis;
  readonly y: ChartAxis;
  /** From back to front. */
  readonly lines: readonly ChartLine[];
  readonly levels?: readonly ChartLevel[];
  /** Names are a legend in the margin (default), or stand beside last points and levels. */
  readonly names?: 'legend' | 'beside';
}

export interface ChartSize {
  /** Part of identifiers, as a page has the same chart in several sizes. */
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /** With a margin for names; else a legend elsewhere has to tell. */
  readonly named: boolean;
  /** With the title above; default false. */
  readonly headed?: boolean;
}

interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const textHeight = 13;
/** Widths of letters differ between fonts; this is that of a wide one. */
const letterWidth = 7.8;
const labelDistance = textHeight + 3;
const legendDistance = textHeight + 8;
const swatchWidth = 26;

function scaleOf(axis: ChartAxis, range: readonly [number, number], pixelsPerTick: number): Scale {
  const most = Math.max(2, Math.floor(Math.abs(range[1] - range[0]) / pixelsPerTick));
  return (axis.logarithmic ? logScale : linearScale)(axis.domain, range, most);
}

function drawAxes(x: Scale, y: Scale, frame: Frame, chart: Chart): Markup[] {
  const { left, right, top, bottom } = frame;
  const vertical = x.ticks.flatMap(({ value, label }) => {
    const at = x.at(value);
    return [
      element('line', { class: label ? 'grid' : 'grid faint', x1: at, x2: at, y1: top, y2: bottom }),
      ...(label
        ? [element('text', { class: 'tick', x: at, y: bottom + 19, 'text-anchor': 'middle' }, label)]
        : []),
    ];
  });
  const horizontal = y.ticks.flatMap(({ value, label }) => {
    const at = y.at(value);
    return [
      element('line', { class: label ? 'grid' : 'grid faint', x1: left, x2: right, y1: at, y2: at }),
      ...(label
        ? [element('text', { class: 'tick', x: left - 8, y: at + 4.5, 'text-anchor': 'end' }, label)]
        : []),
    ];
  });
  return [
    ...vertical,
    ...horizontal,
    element('line', { class: 'axis', x1: left, x2: right, y1: bottom, y2: bottom }),
    element('text', { class: 'axis-title', x: 2, y: top - 17 }, chart.y.title),
    element('text', { class: 'axis-title', x: right, y: bottom + 40, 'text-anchor': 'end' }, chart.x.title),
  ];
}

/** A mark as it is drawn in charts and legends. */
export function drawMark({ mark }: ReportSeries, x: number, y: number, open = false, title?: string): Markup {
  return element(
    'path',
    {
      class: open ? 'mark open' : 'mark',
      d: markShapes[mark],
      transform: `translate(${coordinate(x)} ${coordinate(y)})`,
    },
    title === undefined ? undefined : element('title', {}, title),
  );
}

const group = ({ codec, key }: ReportSeries, ...children: Child[]): Markup =>
  element('g', { class: `series ${codec.kind} ${key}` }, ...children);

/** The curve cut at the frame, and whole marks of the points inside. */
function drawLine({ series, points, pieces }: ChartLine, x: Scale, y: Scale, clip: string): Markup {
  const place = ([atX, atY]: readonly [number, number]): string =>
    `${coordinate(x.at(atX))} ${coordinate(y.at(atY))}`;
  const path = pieces.map(
    ({ from, controls, to }) => `M${place(from)}C${controls.map(place).join(' ')} ${place(to)}`,
  );
  const within = (value: number, [low, high]: readonly [number, number]): boolean =>
    value >= low && value <= high;
  return group(
    series,
    path.length > 0 ? element('path', { class: 'line', d: path.join(''), 'clip-path': clip }) : undefined,
    points
      .filter((point) => within(point.x, x.domain) && within(point.y, y.domain))
      .map((point) => drawMark(series, x.at(point.x), y.at(point.y), point.open, point.title)),
  );
}

/**
 * Moves positions apart, as little as possible: neighbours that are too close become a block around their mean.
 *
 * @param wished rising positions
 * @returns positions in the same order, at least `distance` apart and, where there is room, within the interval
 * @example
 * spread([10, 11, 50], 10, [0, 100]); // => [5.5,15.5,50]
 */
export function spread(
  wished: readonly number[],
  distance: number,
  [from, to]: readonly [number, number],
): number[] {
  const blocks: { sum: number; count: number }[] = [];
  const start = ({ sum, count }: { sum: number; count: number }): number => {
    const centred = sum / count - ((count - 1) * distance) / 2;
    return Math.max(from, Math.min(centred, to - (count - 1) * distance));
  };
  for (const position of wished) {
    blocks.push({ sum: position, count: 1 });
    while (blocks.length > 1) {
      const [above, below] = blocks.slice(-2);
      if (start(below) - start(above) >= above.count * distance) break;
      blocks.splice(-2, 2, { sum: above.sum + below.sum, count: above.count + below.count });
    }
  }
  return blocks.flatMap((block) =>
    Array.from({ length: block.count }, (_, i) => start(block) + i * distance),
  );
}

/** A line and a mark, as in legends: 26 pixels wide, centred at a height. */
export function drawSwatch(series: ReportSeries, x: number, y: number): Markup {
  return fragment(
    element('path', { class: 'line', d: `M${coordinate(x)} ${coordinate(y)}h${swatchWidth}` }),
    drawMark(series, x + swatchWidth / 2, y),
  );
}

const nameAt = ({ codec }: ReportSeries, x: number, y: number): Markup =>
  element('text', { class: 'name', x, y: y + 4.5 }, codec.name);

/** Where a curve is at half height. */
function crossing({ points, pieces }: ChartLine, [low, high]: readonly [number, number]): number {
  const middle = (low + high) / 2;
  const piece = pieces.find(({ from, to }) => from[1] <= middle && to[1] >= middle);
  if (!piece) return points[points.length - 1].x;
  const part = (middle - piece.from[1]) / (piece.to[1] - piece.from[1]);
  return piece.from[0] * (piece.to[0] / piece.from[0]) ** part;
}

/** What a legend lists, in the order in which it lies in the chart: from left to right, or from top to bottom. */
export function legendOrder({ lines, levels = [], names, y }: Chart): ReportSeries[] {
  const places = [
    ...lines.map((line) => ({
      series: line.series,
      place: names === 'beside' ? -line.points[0].y : crossing(line, y.domain),
    })),
    ...levels.map((level) => ({ series: level.series, place: -level.y })),
  ];
  return places.sort((a, b) => a.place - b.place).map(({ series }) => series);
}

function drawLegend(chart: Chart, { right, top }: Frame): Markup[] {
  return legendOrder(chart).map((series, i) => {
    const at = top + (i + 0.5) * legendDistance;
    return group(
      series,
      drawSwatch(series, right + 16, at),
      nameAt(series, right + 16 + swatchWidth + 8, at),
    );
  });
}

/** Names to the right of places, moved up or down where they would overlap. */
function drawNames(
  names: readonly { series: ReportSeries; x: number; y: number }[],
  frame: Frame,
  leaders: boolean,
) {
  const sorted = [...names].sort((a, b) => a.y - b.y);
  const places = spread(
    sorted.map(({ y }) => y),
    labelDistance,
    [frame.top, frame.bottom],
  );
  return sorted.map(({ series, x, y }, i) =>
    group(
      series,
      leaders
        ? element('path', {
            class: 'leader',
            d: `M${coordinate(x)} ${coordinate(y)}L${coordinate(x + 10)} ${coordinate(places[i])}h5`,
          })
        : undefined,
      nameAt(series, x + (leaders ? 19 : 10), places[i]),
    ),
  );
}

/** Names beside points stand in every size, those in the margin where there is one. */
function namesOf(chart: Chart, margin: boolean, x: Scale, y: Scale, frame: Frame): Markup[] {
  const { lines, levels = [], names } = chart;
  if (names !== 'beside') return margin ? drawLegend(chart, frame) : [];
  const atEnds = lines.map(({ series, points }) => {
    const last = points.reduce((right, point) => (point.x > right.x ? point : right));
    return { series, x: x.at(last.x), y: y.at(last.y) };
  });
  const inMargin = (margin ? levels : []).map(({ series, y: at }) => ({
    series,
    x: frame.right,
    y: y.at(at),
  }));
  return [...drawNames(atEnds, frame, false), ...drawNames(inMargin, frame, true)];
}

/**
 * The chart as an `svg` element of that size.
 *
 * @param style style sheet to put into it, for a file of its own
 * @example
 * const axis = { title: 'x', domain: [0, 1] };
 * const chart = { key: 'empty', title: 'Nothing', description: 'No curves.', x: axis, y: axis, lines: [] };
 * drawChart(chart, { name: 'wide', width: 800, height: 400, named: true }).text.slice(0, 4); // => "<svg"
 */
export function drawChart(chart: Chart, size: ChartSize, style?: string): Markup {
  const { key, title, description, lines, levels = [] } = chart;
  const { name, width, height, named, headed = false } = size;
  const longest = Math.max(0, ...[...lines, ...levels].map(({ series }) => series.codec.name.length));
  const frame: Frame = {
    left: 44,
    right: width - (named ? Math.min(60 + longest * letterWidth, width / 3) : 12),
    top: headed ? 62 : 30,
    bottom: height - 48,
  };
  const x = scaleOf(chart.x, [frame.left, frame.right], 52);
  const y = scaleOf(chart.y, [frame.bottom, frame.top], 44);
  const id = `${key}-${name}`;
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      class: `chart ${name}`,
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: 'img',
      'aria-labelledby': `${id}-title ${id}-description`,
    },
    element('title', { id: `${id}-title` }, title),
    element('desc', { id: `${id}-description` }, description),
    style === undefined ? undefined : element('style', {}, new Markup(style)),
    element(
      'clipPath',
      { id: `${id}-frame` },
      element('rect', {
        x: frame.left,
        y: frame.top,
        width: frame.right - frame.left,
        height: frame.bottom - frame.top,
      }),
    ),
    headed ? element('text', { class: 'heading', x: 2, y: 20 }, title) : undefined,
    drawAxes(x, y, frame, chart),
    levels.map(({ series, y: at }) =>
      group(
        series,
        element('path', {
          class: 'line level',
          d: `M${coordinate(frame.left)} ${coordinate(y.at(at))}H${coordinate(frame.right)}`,
        }),
      ),
    ),
    lines.map((line) => drawLine(line, x, y, `url(#${id}-frame)`)),
    namesOf(chart, named, x, y, frame),
  );
}

/** Dashes of published curves, which have no colours to tell them apart. */
const dashes = ['7 3', '2 2.5', '9 3 2 3', '4 4', '12 4', '1 3', '7 2 1 2 1 2'];

/** The style sheet of charts. */
export function chartStyles(series: readonly ReportSeries[], color: ColorOf): string {
  const published = series.filter(({ codec }) => codec.kind === 'published');
  const dashOf = (one: ReportSeries): string =>
    one.codec.kind === 'published'
      ? `.${one.key} .line{stroke-dasharray:${dashes[published.indexOf(one) % dashes.length]}}`
      : '';
  return [
    `.chart{font-family:${fontFamily}}`,
    `.chart text{font-size:${textHeight}px;fill:${color('ink')}}`,
    '.chart .heading{font-size:17px;font-weight:600}',
    `.chart .tick{fill:${color('muted')};font-variant-numeric:tabular-nums}`,
    `.chart .axis-title{fill:${color('muted')}}`,
    `.chart .grid{stroke:${color('line')};stroke-width:1}`,
    '.chart .faint{stroke-opacity:.55}',
    `.chart .axis{stroke:${color('axis')};stroke-width:1}`,
    '.line{fill:none;stroke-width:1.8;stroke-linejoin:round}',
    '.ours .line{stroke-width:2.8}',
    '.published .line{stroke-width:1.2}',
    '.published .level{stroke-width:1}',
    '.mark{stroke-width:1.5}',
    '.leader{fill:none;stroke-width:1;stroke-dasharray:1 2}',
    '.ours .name{font-weight:600}',
    `.published .name{fill:${color('muted')}}`,
    ...series.map(
      (one) =>
        `.${one.key} .line,.${one.key} .leader{stroke:${color(one.color)}}` +
        `.${one.key} .mark{fill:${color(one.codec.kind === 'published' ? 'surface' : one.color)};stroke:${color(one.codec.kind === 'published' ? one.color : 'surface')}}` +
        `.${one.key} .open{fill:${color('surface')};stroke:${color(one.color)}}${dashOf(one)}`,
    ),
  ].join('\n');
}
