import { describe, expect, it } from 'vitest';
import type { Evaluation, MeasuredCodec } from '../../../eval/evaluation.js';
import { type Chart, chartStyles, drawChart, legendOrder, spread } from '../../../eval/report/chart.js';
import { element, fragment } from '../../../eval/report/markup.js';
import { bytesText, numberText, percentText, secondsText, signedText } from '../../../eval/report/numbers.js';
import { chartsOf } from '../../../eval/report/plots.js';
import { linearScale, logScale } from '../../../eval/report/scales.js';
import { seriesOf } from '../../../eval/report/series.js';
import { type ColorName, darkColor, lightColor } from '../../../eval/report/theme.js';

describe('element', () => {
  it('escapes whatever is no markup', () => {
    const cell = element('td', { title: '"<a&b>"', hidden: true, id: undefined, width: 1 / 3 }, '<b>', 5);
    expect(cell.text).toBe('<td title="&quot;&lt;a&amp;b&gt;&quot;" hidden width="0.33">&lt;b&gt;5</td>');
    expect(fragment(cell, [undefined, element('br')]).text).toBe(`${cell.text}<br>`);
  });
});

describe('numbers', () => {
  it('have true signs, and none before zero', () => {
    expect([numberText(-1.25, 1), numberText(-0.04, 1), numberText(2, 0)]).toEqual(['\u22121.3', '0.0', '2']);
    expect([signedText(0.5, 1), signedText(-0.5, 1), signedText(0.04, 1)]).toEqual([
      '+0.5',
      '\u22120.5',
      '0.0',
    ]);
    expect(percentText(-6.58)).toBe('\u22126.6\u202f%');
  });

  it('have units', () => {
    expect([bytesText(12345678), bytesText(999)]).toEqual(['12\u202f345\u202f678 bytes', '999 bytes']);
    expect([0.0123, 0.123, 12.3].map(secondsText)).toEqual(['12 ms', '0.12 s', '12 s']);
  });
});

describe('scales', () => {
  const labels = (scale: { ticks: readonly { label?: string }[] }): (string | undefined)[] =>
    scale.ticks.map(({ label }) => label);

  it('put round numbers at their places', () => {
    const scale = linearScale([27.3, 40.9], [100, 0], 6);
    expect(labels(scale)).toEqual(['27.5', '30.0', '32.5', '35.0', '37.5', '40.0']);
    expect(scale.at(27.3)).toBeCloseTo(100, 9);
    expect(scale.at(40.9)).toBeCloseTo(0, 9);
    expect(labels(linearScale([-0.25, 0.25], [0, 1], 3))).toEqual(['\u22120.2', '0.0', '0.2']);
  });

  it('put equal ratios at equal distances, with as many labels as fit', () => {
    const scale = logScale([0.1, 10], [0, 200], 7);
    expect(labels(scale).filter((label) => label !== undefined)).toEqual([
      '0.1',
      '0.2',
      '0.5',
      '1',
      '2',
      '5',
      '10',
    ]);
    expect(scale.ticks.length).toBe(19);
    expect(scale.at(1)).toBeCloseTo(100, 9);
    expect(scale.at(2) - scale.at(1)).toBeCloseTo(scale.at(8) - scale.at(4), 9);
  });
});

describe('spread', () => {
  it('moves only what is too close, and keeps within the ends', () => {
    expect(spread([10, 40], 10, [0, 100])).toEqual([10, 40]);
    expect(spread([10, 11, 12, 60], 10, [0, 100])).toEqual([1, 11, 21, 60]);
    expect(spread([98, 99, 100], 10, [0, 100])).toEqual([80, 90, 100]);
    expect(spread([], 10, [0, 100])).toEqual([]);
  });
});

/** A codec with a curve through (0.2 f, 28), (0.4 f, 31), ... and one picture of 1000 x 1000 pixels. */
function codec(name: string, kind: MeasuredCodec['kind'], factor: number, seconds: number): MeasuredCodec {
  const perImage = [0, 1, 2, 3].map((setting) => ({
    image: 'a.png',
    setting,
    bytes: 1000 * 2 ** setting,
    bpp: 0.2 * factor * 2 ** setting,
    psnr: 28 + 3 * setting,
    encodeSeconds: seconds,
    decodeSeconds: seconds / 2,
  }));
  const curve = perImage.map(({ image, ...values }) => ({ ...values, images: 1, pooledPsnr: values.psnr }));
  return { name, kind, version: '1', settings: [0, 1, 2, 3], curve, perImage };
}

const evaluation: Evaluation = {
  formatVersion: 1,
  dataset: 'set',
  scope: { images: ['a.png'], complete: true },
  images: [{ name: 'a.png', width: 1000, height: 1000, sha256: '' }],
  environments: [],
  codecs: [codec('ours', 'ours', 1, 2), codec('new', 'ours', 0.8, 8), codec('jpeg', 'competitor', 2, 1)],
  comparisons: [
    {
      tested: 'ours',
      reference: 'jpeg',
      metric: 'psnr',
      images: 1,
      rate: { percent: -50, from: 28, to: 37, fraction: 1 },
    },
    {
      tested: 'new',
      reference: 'ours',
      metric: 'psnr',
      images: 1,
      rate: { percent: -20, from: 28, to: 37, fraction: 1 },
    },
  ],
  failures: [],
};

const chartNamed = (key: string): Chart =>
  chartsOf(evaluation, seriesOf(evaluation)).find((one) => one.key === key)!;

describe('charts', () => {
  it('are those of measures that there are, and of time', () => {
    expect(chartsOf(evaluation, seriesOf(evaluation)).map(({ key }) => key)).toEqual(['rate-psnr', 'time']);
    const alone = { ...evaluation, codecs: evaluation.codecs.slice(2) };
    expect(chartsOf(alone, seriesOf(alone)).map(({ key }) => key)).toEqual(['rate-psnr']);
  });

  it('show no seconds of different runs beside each other', () => {
    const run = {
      package: 'p',
      node: 'v20',
      platform: 'linux',
      cpu: 'c',
      cores: 2,
      memoryBytes: 1,
      versions: {},
    };
    const [quiet, busy] = [1, 2].map((jobs) => ({ ...run, jobs, threads: 1 }));
    const keys = (runs: (typeof quiet)[]): string[] => {
      const codecs = evaluation.codecs.map((codec, n) =>
        codec.kind === 'published' ? codec : { ...codec, environments: [runs[n % runs.length]] },
      );
      const changed = { ...evaluation, codecs };
      return chartsOf(changed, seriesOf(changed)).map(({ key }) => key);
    };
    expect(keys([quiet, quiet])).toEqual(['rate-psnr', 'time']);
    expect(keys([quiet, busy])).toEqual(['rate-psnr']);
  });

  it('draw a curve whose logarithm of the rate is straight as a straight line', () => {
    const { lines } = chartNamed('rate-psnr');
    for (const { from, controls, to } of lines.flatMap(({ pieces }) => pieces)) {
      const third = (part: number): number => from[0] * (to[0] / from[0]) ** part;
      expect(controls[0][0]).toBeCloseTo(third(1 / 3), 9);
      expect(controls[1][0]).toBeCloseTo(third(2 / 3), 9);
      expect(controls[0][1]).toBeCloseTo(from[1] + (to[1] - from[1]) / 3, 9);
    }
  });

  it('draw curves that fall as straight pieces, and leave points out that are infinite', () => {
    const [ours, ...others] = evaluation.codecs as MeasuredCodec[];
    const curve = ours.curve.map((point, i) => ({
      ...point,
      psnr: [30, 29, 33, Number.POSITIVE_INFINITY][i],
    }));
    const odd = { ...evaluation, codecs: [{ ...ours, curve }, ...others] };
    const [chart] = chartsOf(odd, seriesOf(odd));
    const line = chart.lines.find(({ series }) => series.codec.name === 'ours')!;
    expect(line.points.map(({ y }) => y)).toEqual([30, 29, 33]);
    expect(line.pieces).toHaveLength(2);
    expect(drawChart(chart, { name: 'a', width: 500, height: 300, named: false }).text).not.toMatch(
      /NaN|Infinity/,
    );
  });

  it('turn comparisons that were made the other way round, exactly', () => {
    const places = chartNamed('time').lines.map(({ series, points }) => [
      series.codec.name,
      points[1].x,
      points[1].y,
    ]);
    expect(places).toEqual([
      ['jpeg', 1, 100],
      ['ours', 2, 0],
      ['new', 8, -20],
    ]);
  });

  it('list names in the order in which curves lie', () => {
    expect(legendOrder(chartNamed('rate-psnr')).map((one) => one.codec.name)).toEqual([
      'new',
      'ours',
      'jpeg',
    ]);
    expect(legendOrder(chartNamed('time')).map((one) => one.codec.name)).toEqual(['jpeg', 'ours', 'new']);
  });

  it('keep marks within the frame and tell their values', () => {
    const chart = chartNamed('rate-psnr');
    const size = { name: 'file', width: 600, height: 400, named: true } as const;
    const { text } = drawChart(chart, size, chartStyles(seriesOf(evaluation), lightColor));
    const marks = Array.from(text.matchAll(/class="mark"[^>]*translate\(([\d.]+) ([\d.]+)\)"><title>/g));
    // Of the third codec, the last point lies beyond the rates of ours.
    expect(marks).toHaveLength(11);
    for (const [, x, y] of marks) {
      expect(Number(x)).toBeGreaterThan(40);
      expect(Number(x)).toBeLessThan(600);
      expect(Number(y)).toBeGreaterThan(20);
      expect(Number(y)).toBeLessThan(360);
    }
    expect(text).toContain(
      '<title>ours\n0.200 bpp, 28.00 dB\nsetting 0\n1\u202f000 bytes per picture\nencode 2.00 s',
    );
    expect(text).not.toContain('var(');
  });
});

describe('series', () => {
  it('look different, in colour and in shape', () => {
    const many: Evaluation = {
      ...evaluation,
      codecs: [
        ...['a', 'b', 'c'].map((name) => codec(name, 'ours', 1, 1)),
        ...['d', 'e', 'f', 'g', 'h', 'i'].map((name) => codec(name, 'competitor', 1, 1)),
        ...['j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r'].map((name) => ({
          name,
          kind: 'published' as const,
          version: '',
          source: '',
          curve: [],
          perImage: [] as const,
        })),
      ],
    };
    const looks = seriesOf(many).map(
      ({ codec: { kind }, color, mark }) => `${kind === 'published'} ${color} ${mark}`,
    );
    expect(new Set(looks).size).toBe(18);
    expect(
      new Set(
        seriesOf(many)
          .slice(0, 9)
          .map(({ color }) => color),
      ).size,
    ).toBe(9);
  });
});

describe('colours', () => {
  /** Relative luminance and contrast of WCAG 2. */
  const luminance = (color: string): number => {
    const parts = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255);
    const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a: string, b: string): number => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
  };
  const texts: ColorName[] = ['ink', 'muted', 'link', 'good', 'bad'];
  const series: ColorName[] = [
    'ours1',
    'ours2',
    'ours3',
    'rival1',
    'rival2',
    'rival3',
    'rival4',
    'rival5',
    'rival6',
    'anchor',
  ];

  it.each([
    ['light', lightColor],
    ['dark', darkColor],
  ] as const)('have enough contrast where it is %s', (_, color) => {
    for (const surface of ['surface', 'raised', 'notice'] as const) {
      for (const name of texts) {
        expect([name, contrast(color(name), color(surface))]).toEqual([
          name,
          expect.toSatisfy((c: number) => c >= 4.5),
        ]);
      }
    }
    for (const name of [...series, 'axis'] as const) {
      expect([name, contrast(color(name), color('surface'))]).toEqual([
        name,
        expect.toSatisfy((c: number) => c >= 3),
      ]);
    }
  });
});
