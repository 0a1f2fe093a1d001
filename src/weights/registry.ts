/**
 * All schemes by the names that users know them by, and short descriptions of a scheme with its options, as the command
 * line takes them: `int4`, `hqq:3`, `gptq:4:128` are a name, the bits of a code and the columns of a group.
 */
import { UsageError } from '../errors.js';
import { blockSchemes } from './blocks/block-scheme.js';
import type { Granularity, Scheme, SchemeOptions } from './scheme.js';
import { bitShiftScheme } from './schemes/bit-shift.js';
import { directScheme } from './schemes/direct.js';
import { float4Scheme } from './schemes/float4.js';
import { gptqScheme, symmetricGptqScheme } from './schemes/gptq.js';
import { halfQuadraticScheme } from './schemes/half-quadratic.js';
import { integerSchemes } from './schemes/integer.js';
import { microscalingScheme } from './schemes/microscaling.js';
import { normalFloatScheme } from './schemes/normal-float.js';
import { nvfp4Scheme } from './schemes/nvfp4.js';
import { paretoqScheme } from './schemes/paretoq.js';
import { signedBinaryScheme } from './schemes/signed-binary.js';
import { ternaryScheme } from './schemes/ternary.js';
import { trellisCodedSchemes } from './trellis-coded/index.js';

/** All schemes, in the order of tables. */
export const schemes: readonly Scheme[] = [
  ...integerSchemes,
  halfQuadraticScheme,
  gptqScheme,
  symmetricGptqScheme,
  normalFloatScheme,
  float4Scheme,
  microscalingScheme,
  nvfp4Scheme,
  paretoqScheme,
  bitShiftScheme,
  ternaryScheme,
  directScheme,
  signedBinaryScheme,
  ...trellisCodedSchemes,
  ...blockSchemes,
];

/** Names of all schemes. */
export const schemeNames: readonly string[] = schemes.map(({ name }) => name);

/**
 * The scheme of that name.
 *
 * @throws UsageError with the known names
 * @example
 * schemeOf('int4').bitWidths; // => [4]
 */
export function schemeOf(name: string): Scheme {
  const found = schemes.find((scheme) => scheme.name === name);
  if (!found) {
    throw new UsageError(`scheme of weights: expected one of ${schemeNames.join(', ')}, got ${name}`);
  }
  return found;
}

/** A scheme with the options to use it with. */
export interface SchemeChoice {
  readonly scheme: Scheme;
  readonly options: SchemeOptions;
}

function granularityFrom(text: string): Granularity {
  if (text === 'tensor' || text === 'row') return text;
  const group = Number(text);
  if (!/^\d+$/.test(text) || group < 1) {
    throw new UsageError(`granularity: expected tensor, row or the columns of a group, got '${text}'`);
  }
  return { group };
}

/**
 * Reads `name`, `name:bits` or `name:bits:granularity`; empty fields stand for the scheme's defaults. Granularity is
 * `tensor`, `row` or the columns of a group.
 *
 * @throws UsageError for unknown names, widths that the scheme does not have, and anything else
 * @example
 * parseScheme('int4::128').options; // => {"granularity":{"group":128}}
 */
export function parseScheme(text: string): SchemeChoice {
  const [name, bits = '', granularity = '', ...others] = text.split(':');
  const scheme = schemeOf(name);
  if (others.length > 0) {
    throw new UsageError(`scheme of weights: expected name:bits:granularity, got '${text}'`);
  }
  if (bits !== '' && !scheme.bitWidths.includes(Number(bits))) {
    throw new UsageError(`${name}: expected bits among ${scheme.bitWidths.join(', ')}, got '${bits}'`);
  }
  const options = {
    ...(bits === '' ? {} : { bits: Number(bits) }),
    ...(granularity === '' ? {} : { granularity: granularityFrom(granularity) }),
  };
  return { scheme, options };
}
