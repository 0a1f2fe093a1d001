import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Evaluation } from '../../../eval/evaluation.js';
import {
  type CropComparison,
  compareCrops,
  releaseDocument,
  resultsDocument,
  writeCharts,
  writeReport,
} from '../../../eval/report/index.js';
import { percentText } from '../../../eval/report/numbers.js';
import { packageRoot } from '../../../src/io/index.js';
import { launchBrowser, skipBrowserTests, takeScreenshot } from '../../browser.js';
import { pictures, sampleCodecs, sampleEvaluation } from './sample.js';

let evaluation: Evaluation;
let crops: CropComparison[];
let folder: string;
let paths: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'report-'));
  evaluation = await sampleEvaluation(await mkdtemp(join(folder, 'pictures-')));
  const { ours, competitors } = await sampleCodecs();
  crops = [
    await compareCrops(ours, competitors[0], pictures[2], { setting: 30 }),
    await compareCrops(ours, competitors[1], pictures[1], { setting: 30 }),
  ];
  paths = await writeReport(evaluation, { folder: join(folder, 'deep', 'er'), crops, command: 'codec eval' });
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('writeReport', () => {
  it('writes a page, a document and every chart twice', async () => {
    expect(paths.map((path) => basename(path))).toEqual([
      'report.html',
      'results.md',
      'rate-psnr.svg',
      'rate-psnr.png',
      'rate-ms-ssim.svg',
      'rate-ms-ssim.png',
      'time.svg',
      'time.png',
    ]);
    for (const path of paths) expect((await stat(path)).size).toBeGreaterThan(1000);
  });

  it('draws charts with something on them', async () => {
    const png = await sharp(paths[3]).raw().toBuffer({ resolveWithObject: true });
    expect(png.info).toMatchObject({ width: 1920, height: 1120, channels: 3 });
    const [red, green, blue] = [0x1f, 0x63, 0xc0];
    let ours = 0;
    for (let i = 0; i < png.data.length; i += 3) {
      if (png.data[i] === red && png.data[i + 1] === green && png.data[i + 2] === blue) ours++;
    }
    expect(ours).toBeGreaterThan(1000);
  });

  it('is the same every time', async () => {
    const again = await writeReport(evaluation, {
      folder: join(folder, 'again'),
      crops,
      command: 'codec eval',
    });
    for (const [i, path] of again.entries()) expect(await readFile(path)).toEqual(await readFile(paths[i]));
  });

  it('writes what there is of an evaluation without anything', async () => {
    const nothing = {
      ...evaluation,
      images: [],
      environments: [],
      codecs: [],
      comparisons: [],
      failures: [],
    };
    const written = await writeReport(nothing, { folder: join(folder, 'nothing') });
    expect(written.map((path) => basename(path))).toEqual(['report.html', 'results.md']);
    expect(await readFile(written[0], 'utf8')).toContain('None: everything that was asked for was measured.');
  });
});

describe('resultsDocument', () => {
  it('has all numbers', async () => {
    const text = await readFile(paths[1], 'utf8');
    const { rate } = evaluation.comparisons[0];
    expect(text).toMatch(
      /^# Results on sample\n\nMade by `codec eval`; not edited by hand\. 3 of 4 pictures\./,
    );
    expect(text).toContain(`| jpeg | **+${rate!.percent.toFixed(2)}\u202f%** | `);
    expect(text).toContain('(little)');
    expect(text).toContain('| jxl | – | – | no picture was measured with both |');
    expect(text).toContain('| Paper &lt;2020> | published | a paper & its table |');
    expect(text).toContain('![PSNR against rate on sample](./rate-psnr.svg)');
    expect(text).toContain('- jxl: one & &lt;only>.png, three.png, two.png: ');
    expect(text.match(/^\| 10 \|/gm)!.length).toBeGreaterThanOrEqual(2);
  });

  it('says why there are no published curves', () => {
    const codecs = evaluation.codecs.filter(({ kind }) => kind !== 'published');
    const text = resultsDocument({ ...evaluation, codecs });
    expect(text).toMatch(
      /3 of 4 pictures\. Published curves are means over a whole set, so there are none beside these\. /,
    );
  });

  it('says of several runs what was measured in each, and what differs', () => {
    const [first] = evaluation.environments;
    const second = { ...first, commit: 'later', threads: first.threads + 1 };
    const codecs = evaluation.codecs.map((codec) =>
      codec.kind === 'competitor' ? { ...codec, environments: [second] } : codec,
    );
    const text = resultsDocument({ ...evaluation, codecs, environments: [first, second] });
    expect(text).toMatch(/\nRun 1 of 2: [^\n]+\n\n- package: .*\n(- .*\n){5}/);
    expect(text).toMatch(/\nRun 2 of 2: jpeg, [^\n]+\n\n- commit: later\n- workers: [^\n]+\n\n/);
  });

  it('has no charts and no command where there are none', () => {
    expect(resultsDocument(evaluation)).toMatch(/^# Results on sample\n\n3 of 4 pictures\. /);
    expect(resultsDocument(evaluation)).not.toContain('![');
  });
});

describe('releaseDocument', () => {
  it('has several sets with an overview and their charts', async () => {
    const other: Evaluation = { ...evaluation, dataset: 'other set', comparisons: [] };
    const text = releaseDocument([evaluation, other], { command: 'npm run results', charts: 'results' });
    const { tested } = evaluation.comparisons.at(-1)!;
    expect(text).toMatch(/^# Results\n\nMade by `npm run results`; not edited by hand\. Rates are/);
    expect(text).toContain(`| BD-rate by PSNR against | ${tested} on sample | ${tested} on other set |`);
    const own = evaluation.comparisons.find(
      (one) => one.tested === tested && one.reference === 'jpeg' && one.metric === 'psnr',
    );
    expect(text).toContain(`| jpeg | ${percentText(own!.rate!.percent, 2)} | – |\n`);
    expect(text.match(/^## Results on .*$/gm)).toEqual(['## Results on sample', '## Results on other set']);
    expect(text.match(/^### BD-rates$/gm)).toHaveLength(2);
    const charts = join(folder, 'charts');
    const written = [...(await writeCharts(evaluation, charts)), ...(await writeCharts(other, charts))];
    const links = [...text.matchAll(/!\[[^\]]*\]\(results\/([^)]*)\)/g)].map(([, name]) => name);
    expect(links.length).toBeGreaterThanOrEqual(4);
    expect(links.sort()).toEqual(written.map((path) => basename(path)).sort());
    for (const path of written) expect(await readFile(path, 'utf8')).toMatch(/^<\?xml.*\n<svg/);
  });
});

describe.skipIf(skipBrowserTests)('the page in a browser', () => {
  const screenshots = join(packageRoot(), 'out', 'screenshots');
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
    await mkdir(screenshots, { recursive: true });
  }, 120_000);
  afterAll(() => browser?.close());
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });

  /** The page as somebody with these settings sees it; whatever goes wrong on it fails the test. */
  async function open(settings: BrowserContextOptions): Promise<Page> {
    const context = await browser.newContext(settings);
    const page = await context.newPage();
    const url = pathToFileURL(paths[0]).href;
    page.on('pageerror', (error) => expect.fail(error.message));
    page.on('request', (request) => {
      expect(request.url().startsWith('data:') || request.url() === url).toBe(true);
    });
    await page.goto(url);
    return page;
  }

  const overflow = (page: Page): Promise<number> =>
    page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

  const sizes = [
    { width: 390, height: 844, chart: 'narrow' },
    { width: 1400, height: 900, chart: 'wide' },
  ] as const;
  const cases = sizes.flatMap((size) =>
    (['light', 'dark'] as const).map((colorScheme) => ({ ...size, colorScheme })),
  );

  it.each(cases)(
    'shows all of it at $width pixels, $colorScheme',
    async ({ width, height, chart, colorScheme }) => {
      const page = await open({ viewport: { width, height }, colorScheme });
      await takeScreenshot(page, join(screenshots, `report-${width}-${colorScheme}.png`));
      expect(await overflow(page)).toBe(0);

      const curves = page.locator(`#rate-psnr svg.${chart} .line`);
      expect(await curves.count()).toBe(4);
      for (const curve of await curves.all()) {
        const box = (await curve.boundingBox())!;
        expect(Math.min(box.width, box.height)).toBeGreaterThan(width / 40);
      }
      expect(await page.locator('svg.chart:visible').count()).toBe(3);
      const shrunk = await page.locator(`#rate-psnr svg.${chart}`).evaluate((svg: SVGSVGElement) => {
        return svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
      });
      expect(shrunk).toBeGreaterThan(0.95);

      const table = page.getByRole('table', { name: /BD-rates at equal PSNR/ });
      expect(await table.locator('tbody tr').count()).toBe(5);
      const percent = evaluation.comparisons[0].rate!.percent.toFixed(2);
      const cell = table.getByRole('row', { name: /^jpeg/ }).locator('td').first();
      expect(await cell.textContent()).toBe(`+${percent}\u202f%`);
      const { x, width: cellWidth } = (await cell.boundingBox())!;
      expect(x + cellWidth).toBeLessThan(width);
      expect(await table.getByText('little overlap').count()).toBe(1);
      expect(await table.getByText('no picture was measured with both').count()).toBe(1);

      const images = page.locator('.crop img:visible');
      expect(await images.count()).toBe(3);
      const natural = await images.evaluateAll((all) =>
        (all as HTMLImageElement[]).map((image) => [image.complete, image.naturalWidth]),
      );
      expect(natural).toEqual(Array(3).fill([true, crops[0].area.width]));
      expect(await page.locator('#failures li').allTextContents()).toEqual([
        expect.stringMatching(/^jxl: one & <only>\.png, three\.png, two\.png: /),
        expect.stringMatching(/^zero\.png: /),
      ]);

      const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      expect(background).toBe(colorScheme === 'dark' ? 'rgb(26, 26, 25)' : 'rgb(252, 252, 251)');
      await page.context().close();
    },
  );

  it('has no horizontal overflow in between, nor with everything unfolded', async () => {
    const page = await open({ viewport: { width: 320, height: 700 } });
    await page.evaluate(() => {
      for (const details of document.querySelectorAll('details')) details.open = true;
    });
    for (const width of [320, 600, 761, 1000]) {
      await page.setViewportSize({ width, height: 700 });
      expect([width, await overflow(page)]).toEqual([width, 0]);
    }
    await page.context().close();
  });

  it('shows values beside the pointer and hides curves on request', async () => {
    const page = await open({ viewport: { width: 1400, height: 900 } });
    const mark = page.locator('#rate-psnr svg.wide .s0 .mark').first();
    await mark.scrollIntoViewIfNeeded();
    await page.waitForTimeout(100);
    const box = (await mark.boundingBox())!;
    await page.mouse.move(box.x + 6, box.y + 6);
    const hover = page.locator('.hover');
    const { bpp, psnr } = evaluation.codecs[0].curve[0];
    expect(await hover.textContent()).toContain(`${bpp.toFixed(3)} bpp, ${psnr.toFixed(2)} dB`);
    await page.mouse.move(2, 2);
    expect(await hover.isVisible()).toBe(false);
    await page.locator('#rate-psnr [data-series=s0]').uncheck();
    expect(await mark.isVisible()).toBe(false);
    expect(await page.locator('#rate-ms-ssim svg.wide .s0 .mark').first().isVisible()).toBe(true);
    await page.context().close();
  });

  it('slides and flips crops in one place, and changes pictures', async () => {
    const page = await open({ viewport: { width: 390, height: 844 } });
    const [original, ours, competitor] = ['original', 'ours', 'competitor'].map((kind) =>
      page.locator(`[data-crop="0"] .view.${kind} img`),
    );
    await page.getByLabel('slide', { exact: true }).check({ force: true });
    expect(await original.isVisible()).toBe(false);
    expect(await ours.boundingBox()).toEqual(await competitor.boundingBox());
    const slider = page.locator('[data-crop="0"] input[type=range]');
    await slider.focus();
    await page.keyboard.press('End');
    const cut = () => ours.evaluate((image) => getComputedStyle(image).clipPath);
    expect(await cut()).toMatch(/^inset\(0(px|%)?( calc\(0% \+ 0px\)| 0(px|%)?)?/);
    await ours.scrollIntoViewIfNeeded();
    const stage = (await ours.boundingBox())!;
    await page.mouse.click(stage.x + stage.width / 4, stage.y + 20);
    expect(Number(await slider.inputValue())).toBeCloseTo(25, -0.5);

    await page.getByLabel('flip', { exact: true }).check({ force: true });
    const shown = async () => Promise.all([original, ours, competitor].map((view) => view.isVisible()));
    expect(await shown()).toEqual([true, false, false]);
    await original.click();
    expect(await shown()).toEqual([false, true, false]);
    await page.getByRole('button', { name: 'Next' }).first().click();
    expect(await shown()).toEqual([false, false, true]);

    await page.getByRole('radio', { name: /^two/ }).check({ force: true });
    expect(await page.locator('[data-crop="0"]').isVisible()).toBe(false);
    expect(await page.locator('[data-crop="1"] img:visible').count()).toBe(1);
    await page.context().close();
  });

  it('is complete without its script', async () => {
    const page = await open({ viewport: { width: 1400, height: 900 }, javaScriptEnabled: false });
    const title = page.locator('#rate-psnr svg.wide .s0 .mark title').first();
    expect(await title.textContent()).toMatch(/bpp.*\n.*bytes per picture\nencode/s);
    expect(await page.locator('.crop img:visible').count()).toBe(3);
    expect(await page.getByText('slide', { exact: true }).isVisible()).toBe(false);
    await page.context().close();
  });

  it('prints in light colours, with all crops and without controls', async () => {
    const page = await open({ viewport: { width: 794, height: 1123 }, colorScheme: 'dark' });
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    expect(await overflow(page)).toBe(0);
    expect(await page.locator('.crop img:visible').count()).toBe(6);
    expect(await page.locator('.legend input:visible, .choices:visible, nav:visible').count()).toBe(0);
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe(
      'rgb(252, 252, 251)',
    );
    await takeScreenshot(page, join(screenshots, 'report-print.png'));
    await page.context().close();
  });
});
