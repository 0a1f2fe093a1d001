/**
 * A headless Chromium for tests of pages: the one inside the npm package @sparticuz/chromium, which brings the program
 * with the libraries and fonts it needs, so that tests run, and look the same, wherever npm packages can be installed on
 * x64 Linux.
 *
 * CHROMIUM=PATH takes another program instead, as is needed elsewhere. SKIP_BROWSER_TESTS=1 leaves the tests out; without it
 * they fail where there is no browser.
 */
import { execFileSync } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { brotliDecompressSync, createBrotliDecompress } from 'node:zlib';
import { type Browser, chromium, type Page } from 'playwright-core';
import { packageRoot } from '../src/io/index.js';

export const skipBrowserTests = process.env.SKIP_BROWSER_TESTS === '1';

const packageName = '@sparticuz/chromium';
const packageFolder = join(dirname(createRequire(import.meta.url).resolve(packageName)), '..', '..');

const fontSettings = (folder: string): string =>
  `<?xml version="1.0"?><fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/cache</cachedir></fontconfig>`;

async function unpackInto(folder: string): Promise<void> {
  const packed = (name: string): string => join(packageFolder, 'bin', name);
  await pipeline(
    createReadStream(packed('chromium.br')),
    createBrotliDecompress(),
    createWriteStream(join(folder, 'chromium'), { mode: 0o755 }),
  );
  for (const archive of ['al2023.tar.br', 'fonts.tar.br']) {
    execFileSync('tar', ['-x', '-C', folder], {
      input: brotliDecompressSync(await readFile(packed(archive))),
    });
  }
}

/** The folder with the unpacked program; unpacked once, under another name first, so that it is whole if it is there. */
async function unpackedChromium(): Promise<string> {
  const { version } = JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8')) as {
    version: string;
  };
  const cache = join(packageRoot(), 'node_modules', '.cache');
  const folder = join(cache, `chromium-${version}`);
  if (await stat(folder).catch(() => undefined)) return folder;
  await mkdir(cache, { recursive: true });
  const temporary = await mkdtemp(join(cache, 'chromium-'));
  await unpackInto(temporary);
  await writeFile(join(temporary, 'fonts.conf'), fontSettings(folder));
  // Another run may have been faster.
  await rename(temporary, folder).catch(() => rm(temporary, { recursive: true }));
  return folder;
}

async function programWithSettings(): Promise<{ executablePath: string; env?: Record<string, string> }> {
  const own = process.env.CHROMIUM;
  if (own) return { executablePath: own };
  const folder = await unpackedChromium();
  const inherited = Object.entries(process.env).filter(
    (pair): pair is [string, string] => pair[1] !== undefined,
  );
  return {
    executablePath: join(folder, 'chromium'),
    env: {
      ...Object.fromEntries(inherited),
      LD_LIBRARY_PATH: join(folder, 'lib'),
      FONTCONFIG_FILE: join(folder, 'fonts.conf'),
    },
  };
}

/**
 * Starts the browser.
 *
 * @throws Error that names the two environment variables where it does not start
 */
export async function launchBrowser(): Promise<Browser> {
  try {
    return await chromium.launch({
      ...(await programWithSettings()),
      // Containers run as root and without the kernel features of the sandbox; the pages are our own.
      // Their /dev/shm is small, too: without the last flag large screenshots fail now and then.
      args: [
        ...['--no-sandbox', '--no-zygote', '--disable-gpu', '--font-render-hinting=none'],
        '--disable-dev-shm-usage',
      ],
    });
  } catch (error) {
    throw new Error(
      `Expected a headless Chromium for tests of pages but it does not start; set CHROMIUM=PATH to one, or SKIP_BROWSER_TESTS=1: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/**
 * A screenshot of a whole page. On a busy machine Chromium answers now and then that it is unable to capture one, and does so
 * when it is asked again.
 */
export async function takeScreenshot(page: Page, path: string): Promise<void> {
  for (let left = 3; ; left--) {
    try {
      await page.screenshot({ path, fullPage: true });
      return;
    } catch (error) {
      if (left === 0 || !/Unable to capture screenshot/.test(String(error))) throw error;
    }
  }
}
