/**
 * Which tensor is quantized how: ordered rules of regular expressions on tensor names, the first one that fits decides,
 * as in torchao's FqnToConfig. Before them stands the list of what stays as it is by default: normalisations, embeddings,
 * output heads, routers, biases and every tensor of one axis or none, and networks that feed an entropy coder, whose
 * results have to be the same on every machine.
 */
import { UsageError } from '../errors.js';
import { parseScheme, type SchemeChoice } from './registry.js';

/** A rule: tensors whose whole name fits take the choice; none means that they stay as they are. */
export interface FilterRule {
  readonly pattern: RegExp;
  readonly choice?: SchemeChoice;
}

/** Names of tensors that stay as they are unless a rule of the user fits them. */
export const defaultKeep: readonly RegExp[] = [
  /(^|[._])(bias|biases)$/,
  /norm|(^|[._])(ln(_\w+)?|i?gdn)\d*[._]/i,
  /embed|embd|(^|[._])w[tp]e[._]/i,
  /(^|[._])lm_head[._]|^output\.weight$/,
  /(^|[._])(router|gate_inp)[._]/,
  // This codec's own model, then the names that CompressAI's models have.
  /^(hyperSynthesis|context|rate|tables|quantizers)\./,
  /(^|\.)(h_s|entropy_bottleneck|gaussian_conditional|entropy_parameters|context_prediction)\./,
];

/** Whether a tensor stays as it is where no rule of the user fits. */
export function isKept(name: string, shape: readonly number[]): boolean {
  return shape.length < 2 || defaultKeep.some((pattern) => pattern.test(name));
}

/**
 * The choice for a tensor; undefined where it stays as it is.
 *
 * @param rules the first whose pattern fits the whole name decides, kept by default or not
 * @param fallback for tensors that no rule fits and that are not kept by default
 * @example
 * const rules = [parseRule('.*attn.*=int8'), parseRule('.*layers\\.0\\..*=none')];
 * const choices = ['model.layers.0.attn.q', 'model.layers.0.mlp', 'model.layers.1.mlp', 'model.norm'].map(
 *   (name) => choose(name, [4, 4], rules, parseScheme('int4'))?.scheme.name ?? 'kept',
 * );
 * choices; // => ["int8", "kept", "int4", "kept"]
 */
export function choose(
  name: string,
  shape: readonly number[],
  rules: readonly FilterRule[],
  fallback?: SchemeChoice,
): SchemeChoice | undefined {
  const rule = rules.find(({ pattern }) => pattern.exec(name)?.[0] === name);
  if (rule) return rule.choice;
  return isKept(name, shape) ? undefined : fallback;
}

/**
 * Reads a rule `pattern=scheme` with a scheme as parseScheme takes it, or `pattern=none` for tensors that stay. The
 * pattern has to fit the whole name.
 *
 * @throws UsageError for anything else
 * @example
 * parseRule('.*proj=int4::128').choice.options; // => {"granularity":{"group":128}}
 */
export function parseRule(text: string): FilterRule {
  const split = text.lastIndexOf('=');
  if (split < 1) throw new UsageError(`rule: expected pattern=scheme or pattern=none, got '${text}'`);
  const scheme = text.slice(split + 1);
  const pattern = patternFrom(text.slice(0, split));
  return scheme === 'none' ? { pattern } : { pattern, choice: parseScheme(scheme) };
}

function patternFrom(text: string): RegExp {
  try {
    // Anchored, so that alternatives are tried until one fits the whole name.
    return new RegExp(`^(?:${text})$`);
  } catch (error) {
    throw new UsageError(`rule: expected a regular expression, got '${text}'`, { cause: error });
  }
}
