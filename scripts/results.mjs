/**
 * Makes docs/RESULTS.md, its charts and eval/results/ again: the test sets, measured on one thread, beside all competitors
 * that are installed. What is kept in out/results/ or in eval/results/, of codecs of the same versions, is not measured again;
 * a report of each set lies in out/results/, too.
 *
 *     npm run results [-- --jobs 2]     # further options go to `codec eval`
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const folder = `eval/results/${version}`;
const sets = ['kodak', 'tecnick'];
const isInstalled = (program) => !spawnSync(program, ['--version']).error;
const jpegXl = ['cjxl', 'djxl'].every(isInstalled) ? ['jxl'] : [];
const options = [
  ...['--quantizers', 'rdoq,tcq8,tcq1024+1'],
  ...['--competitors', ['jpeg', 'mozjpeg', 'webp', ...jpegXl, 'avif'].join(',')],
  ...['--metrics', 'psnr,ms-ssim', '--threads', '1'],
];

/** Calls the command; 3 says that something was not measured and named, and the rest was done. */
function codec(...args) {
  const { status, signal } = spawnSync(process.execPath, ['dist/codec/cli/main.js', ...args], {
    stdio: 'inherit',
  });
  if (status !== 0 && status !== 3) {
    process.stderr.write(`codec ${args[0]}: ended with ${signal ?? status}\n`);
    process.exit(1);
  }
  if (status === 3) process.exitCode = 3;
}

// Ctrl-C reaches the command too, which keeps what it has.
process.on('SIGINT', () => {});
mkdirSync(folder, { recursive: true });
for (const set of sets) {
  const out = `out/results/${set}`;
  const json = `${folder}/${set}.json`;
  const outputs = ['--out', out, '--json', json, '--report', `${out}/report`];
  const reuse = existsSync(json) ? ['--reuse', json] : [];
  codec('eval', set, ...options, ...outputs, ...reuse, ...process.argv.slice(2));
}
const evaluations = sets.map((set) => `${folder}/${set}.json`);
const document = [
  '--markdown',
  'docs/RESULTS.md',
  '--charts',
  'docs/results',
  '--made-by',
  'npm run results',
];
codec('eval', 'document', ...evaluations, ...document);
