/** Pictures for the report of `codec eval`: the last of our codecs beside a competitor, at the same number of bytes. */
import { type Dataset, loadImage } from '../../datasets/index.js';
import { type CodecSpec, type Evaluation, openCodec } from '../../eval/index.js';
import { type CropComparison, compareCrops } from '../../eval/report/index.js';
import { type Context, describeError } from './context.js';

/** The competitor that people ask about first, or else the one named last. */
function competitorOf(specs: readonly CodecSpec[], measured: ReadonlySet<string>): CodecSpec | undefined {
  const others = specs.filter((spec) => {
    if (spec.kind === 'ours') return false;
    return measured.has(spec.kind === 'competitor' ? spec.name : spec.template.name);
  });
  return others.find((spec) => spec.kind === 'competitor' && spec.name === 'avif') ?? others.at(-1);
}

/** That many entries, evenly spread. */
function spread<T>(entries: readonly T[], count: number): T[] {
  const taken = Math.min(count, entries.length);
  return Array.from({ length: taken }, (_, n) => entries[Math.floor(((n + 0.5) * entries.length) / taken)]);
}

/**
 * Crops of that many pictures; none where there is no competitor to look at beside ours. What fails here is said and left
 * out: the evaluation that the report is about is whole without it.
 */
export async function cropsOf(
  context: Context,
  evaluation: Evaluation,
  dataset: Dataset,
  { specs, threads, count }: { specs: readonly CodecSpec[]; threads: number; count: number },
): Promise<CropComparison[]> {
  const picturesOf = new Map(
    evaluation.codecs.map(({ name, perImage }) => [name, new Set(perImage.map(({ image }) => image))]),
  );
  const measured = new Set([...picturesOf].flatMap(([name, pictures]) => (pictures.size > 0 ? [name] : [])));
  const ours = specs.findLast((spec) => spec.kind === 'ours' && spec.options.weights === undefined);
  const competitor = competitorOf(specs, measured);
  if (!ours || !competitor || count === 0) return [];
  const crops: CropComparison[] = [];
  try {
    const codecs = [await openCodec(ours, threads), await openCodec(competitor, threads)] as const;
    const both = evaluation.images.filter(({ name }) =>
      codecs.every((codec) => picturesOf.get(codec.name)?.has(name)),
    );
    for (const { name } of spread(both, count)) {
      context.say(`${name}: coding with ${codecs[0].name} and ${codecs[1].name} to look at`);
      const picture = await loadImage(dataset.images.find((image) => image.name === name)!);
      crops.push(await compareCrops(codecs[0], codecs[1], picture));
    }
  } catch (error) {
    context.say(`report: no more crops, ${describeError(error)}`);
  }
  return crops;
}
