/**
 * The quality measures by name. PSNR over RGB and over luma are always there; the others are asked for, because they take
 * longer or need a program: `ssimulacra2` and `butteraugli_main` of libjxl's tools (butteraugli is the 3-norm).
 *
 * Units: PSNR in decibels, MS-SSIM 0..1, SSIMULACRA2 in its points (100 for equal pictures, may be negative), Butteraugli as
 * a distance (0 for equal pictures: the only one where less is better).
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UnsupportedError, UsageError } from '../../src/errors.js';
import { encodePng, type Image } from '../../src/io/index.js';
import { lumaPsnr, psnr } from '../../src/metrics/psnr.js';
import { isInstalled, runCommand, withTemporaryFolder } from '../command.js';
import { leastMsSsimSide, msSsim } from './ms-ssim.js';

/** Names of the measures. */
export const metricNames = ['psnr', 'ms-ssim', 'ssimulacra2', 'butteraugli'] as const;
export type MetricName = (typeof metricNames)[number];

/** How near a picture is to its original. */
export interface Quality {
  /** Over RGB. */
  readonly psnr: number;
  /** Over luma. */
  readonly lumaPsnr?: number;
  readonly msSsim?: number;
  readonly ssimulacra2?: number;
  readonly butteraugli?: number;
}

/** Where each measure's value is. */
export const metricKeys = {
  psnr: 'psnr',
  'ms-ssim': 'msSsim',
  ssimulacra2: 'ssimulacra2',
  butteraugli: 'butteraugli',
} as const satisfies Record<MetricName, keyof Quality>;

/** Measures that are ready. */
export interface Metrics {
  readonly names: readonly MetricName[];
  /** Programs in use with their versions. */
  readonly versions: Readonly<Record<string, string>>;
  /** Measures that were asked for and are not there, with the reason. */
  readonly missing: readonly { readonly name: MetricName; readonly reason: string }[];
  /**
   * All measures that fit the pictures' size.
   * @throws CodecError where the pictures differ in size
   */
  measure(original: Image, decoded: Image): Promise<Quality>;
}

/** The program of a measure, and its value in what it prints. */
interface Tool {
  readonly program: string;
  readonly value: RegExp;
}

const tools: Partial<Record<MetricName, Tool>> = {
  ssimulacra2: { program: 'ssimulacra2', value: /(-?\d+(?:\.\d+)?)\s*$/ },
  butteraugli: { program: 'butteraugli_main', value: /3-norm:\s*(\d+(?:\.\d+)?)/ },
};

/**
 * The measures between commas.
 *
 * @throws UsageError for an unknown one
 * @example
 * parseMetrics('psnr,ms-ssim'); // => ["psnr", "ms-ssim"]
 */
export function parseMetrics(text: string): MetricName[] {
  const names = text.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!(metricNames as readonly string[]).includes(name)) {
      throw new UsageError(`metrics: expected some of ${metricNames.join(', ')}, got ${name}`);
    }
  }
  return [...new Set(names)] as MetricName[];
}

/**
 * The measures that pictures of a size have: MS-SSIM needs sides of `leastMsSsimSide`.
 *
 * @example
 * metricsFor(['psnr', 'ms-ssim'], { width: 100, height: 500 }); // => ["psnr"]
 */
export function metricsFor(
  names: readonly MetricName[],
  { width, height }: { readonly width: number; readonly height: number },
): MetricName[] {
  return names.filter((name) => name !== 'ms-ssim' || Math.min(width, height) >= leastMsSsimSide);
}

async function measureByTool({ program, value }: Tool, original: string, decoded: string): Promise<number> {
  const { stdout } = await runCommand([program, original, decoded]);
  const found = value.exec(stdout);
  if (!found)
    throw new UnsupportedError(`Expected a number from ${program} but it printed '${stdout.trim()}'`);
  return Number(found[1]);
}

/** Writes both pictures once, for all programs. */
async function measureByTools(
  names: readonly MetricName[],
  original: Image,
  decoded: Image,
): Promise<Partial<Quality>> {
  return withTemporaryFolder(async (folder) => {
    const paths = [join(folder, 'original.png'), join(folder, 'decoded.png')] as const;
    await writeFile(paths[0], encodePng(original));
    await writeFile(paths[1], encodePng(decoded));
    const values: [string, number][] = [];
    for (const name of names) values.push([name, await measureByTool(tools[name]!, ...paths)]);
    return Object.fromEntries(values);
  });
}

/**
 * Makes measures ready; those whose program is not installed are in `missing`.
 *
 * @example
 * const { psnr } = await (await openMetrics(['psnr'])).measure(image, decoded);
 */
export async function openMetrics(wanted: readonly MetricName[]): Promise<Metrics> {
  const missing: { name: MetricName; reason: string }[] = [];
  const versions: Record<string, string> = {};
  for (const name of wanted) {
    const tool = tools[name];
    if (!tool) continue;
    if (await isInstalled(tool.program)) versions[tool.program] = 'installed; it has no version';
    else
      missing.push({ name, reason: `${name}: expected the program ${tool.program}, which is not installed` });
  }
  const names = metricNames.filter(
    (name) => (name === 'psnr' || wanted.includes(name)) && !missing.some((one) => one.name === name),
  );
  const external = names.filter((name) => tools[name]);
  return {
    names,
    versions,
    missing,
    async measure(original, decoded) {
      return {
        psnr: psnr(original, decoded),
        lumaPsnr: lumaPsnr(original, decoded),
        ...(metricsFor(names, original).includes('ms-ssim') ? { msSsim: msSsim(original, decoded) } : {}),
        ...(external.length > 0 ? await measureByTools(external, original, decoded) : {}),
      };
    },
  };
}
