/**
 * Script: our codec on Kodak (or another set) at six qualities, with BD-rates against live competitors and published curves.
 *
 *     node dist/eval/kodak.js --model base --quantizer rdoq --out out/kodak.json
 *
 * A run that was stopped goes on where it was; competitors are measured once and kept in out/competitors.jsonl.
 */
import { rm } from 'node:fs/promises';
import { writeFileAtomic } from '../src/io/index.js';
import { defaultQualities, learnedCodec } from './codecs.js';
import { competitorCodecs, competitorNames } from './competitors.js';
import { type Evaluation, evaluateCodec, evaluationJson } from './evaluate.js';
import type { Measurement } from './measure.js';
import { comparisonTable, curveTable } from './report.js';
import {
  datasetOption,
  listOption,
  numberOption,
  numbersOption,
  parseOptions,
  runAsScript,
} from './script.js';
import { ResultStore } from './store.js';

const usage = `Usage: node dist/eval/kodak.js [options]
  --dataset NAME       kodak (default), tecnick or validation
  --validation         the same as --dataset validation
  --images DIR         all images of a folder
  --data DIR           where the data sets lie (else CODEC_DATA, else ../shared/data)
  --limit N            only the first N images (then no published curves)
  --model MODEL        a bundled model's name or a .safetensors file (default base)
  --quantizer NAME     default: that of the highest effort
  --lagrangian X       price of a bit for rate-aware quantizers
  --qualities A,B,..   default ${defaultQualities.join(',')}
  --engine NAME        auto (default), onnxruntime or wasm
  --threads N          of our engine and of sharp (default: their choice)
  --competitors A,B    of ${competitorNames.join(', ')} (default all; '' for none)
  --ms-ssim            also MS-SSIM
  --out FILE           results as JSON (default out/<set>-<model>-<quantizer>.json)
  --markdown FILE      the tables as a document, too (docs/RESULTS.md is made this way)
  --cache FILE         competitors' results (default out/competitors.jsonl)
  --fresh              measure ours again even where a stopped run has results
  --help`;

const options = {
  dataset: { type: 'string' },
  validation: { type: 'boolean' },
  images: { type: 'string' },
  data: { type: 'string' },
  limit: { type: 'string' },
  model: { type: 'string' },
  quantizer: { type: 'string' },
  lagrangian: { type: 'string' },
  qualities: { type: 'string' },
  engine: { type: 'string' },
  threads: { type: 'string' },
  competitors: { type: 'string' },
  'ms-ssim': { type: 'boolean' },
  out: { type: 'string' },
  markdown: { type: 'string' },
  cache: { type: 'string' },
  fresh: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

/** One line per picture, to the error stream. */
function reportProgress(done: number, total: number, measurements: readonly Measurement[]): void {
  const points = measurements.map(({ bpp, psnr }) => `${bpp.toFixed(3)}/${psnr.toFixed(2)}`).join(' ');
  console.error(`${done}/${total} ${measurements[0]?.image ?? ''} ${points}`);
}

/** The evaluation as text. */
export function evaluationText(evaluation: Evaluation): string {
  const { ours, competitors, comparisons, dataset, images, partial } = evaluation;
  const parts = [
    `${ours.codec.name} on ${dataset}, ${images} image${images === 1 ? '' : 's'}`,
    ours.codec.version,
    '',
    curveTable(ours.curve),
    ...competitors.flatMap(({ codec, curve }) => ['', `${codec.name} (${codec.version})`, curveTable(curve)]),
  ];
  if (comparisons.length > 0) {
    parts.push('', `${ours.codec.name} against others; negative BD-rates are savings`);
    parts.push(comparisonTable(comparisons));
  }
  if (partial) parts.push('', 'Published curves are means over the whole set, so they are left out here.');
  return parts.join('\n');
}

/** The evaluation as a document that names the command it came from. */
function evaluationDocument(evaluation: Evaluation, args: readonly string[]): string {
  return [
    '# Results',
    '',
    `Made by \`node dist/eval/kodak.js ${args.join(' ')}\`; not edited by hand. Rates are those of real files, PSNR is the`,
    'mean over the pictures of the PSNR over RGB of 8-bit pictures, seconds depend on the',
    'machine and its load; those of competitors come from a cache (out/competitors.jsonl) and may be older and taken under',
    'other load. Measure speed with `codec bench` and `codec demo` on a quiet machine.',
    '',
    '```',
    evaluationText(evaluation),
    '```',
    '',
  ].join('\n');
}

async function main(args: readonly string[]): Promise<void> {
  const values = parseOptions(args, options);
  if (values.help) {
    console.log(usage);
    return;
  }
  const threads = numberOption('--threads', values.threads, 0, [0, 256]);
  const limit = numberOption('--limit', values.limit, undefined, [1, 1e9]);
  const lagrangian = numberOption('--lagrangian', values.lagrangian, undefined, [0, 1e6]);
  const qualities = numbersOption('--qualities', values.qualities, defaultQualities, [0, 100]);
  const dataset = await datasetOption(values, 'kodak');
  const competitors = await competitorCodecs(listOption(values.competitors, competitorNames), threads);
  const codec = await learnedCodec({
    ...(values.model === undefined ? {} : { model: values.model }),
    ...(values.quantizer === undefined ? {} : { quantizer: values.quantizer }),
    ...(values.engine === undefined ? {} : { engine: values.engine as 'auto' }),
    ...(lagrangian === undefined ? {} : { lagrangian }),
    threads,
    qualities,
  });
  const out = values.out ?? `out/${dataset.name}-${codec.name.replaceAll(' ', '-')}.json`;
  const store = await ResultStore.open<Measurement>(`${out}.partial`);
  if (values.fresh) await store.clear();
  const competitorStore = await ResultStore.open<Measurement>(values.cache ?? 'out/competitors.jsonl');
  const evaluation = await evaluateCodec({
    codec,
    competitors,
    dataset,
    store,
    competitorStore,
    progress: reportProgress,
    ...(limit === undefined ? {} : { limit }),
    msSsim: values['ms-ssim'] ?? false,
  });
  const json = `${JSON.stringify(evaluationJson(evaluation), null, 1)}\n`;
  await writeFileAtomic(out, new TextEncoder().encode(json));
  await rm(`${out}.partial`, { force: true });
  console.log(evaluationText(evaluation));
  console.log(`\nwritten to ${out}`);
  if (values.markdown) {
    await writeFileAtomic(values.markdown, new TextEncoder().encode(evaluationDocument(evaluation, args)));
  }
}

runAsScript(import.meta.url, main);
