/**
 * Registry of quantizer ids, the numbers by which a file names the quantizer of its latents
 * (docs/FORMAT.md, "Quantizers").
 *
 * Ids are for ever: new quantizers get new ids, old ids keep their meaning. 0..15 are scalar quantizers,
 * 16..31 trellis-coded ones; the rest is free.
 */

/** All registered quantizers, by name. */
export const quantizerIds = Object.freeze({
  round: 0,
  deadzone: 1,
  rdoq: 2,
  tcq4: 16,
  tcq8: 17,
  tcq16: 18,
  tcq32: 19,
  tcq64: 20,
  tcq128: 21,
  tcq256: 22,
  tcq512: 23,
  tcq1024: 24,
} as const);

/** Name of a registered quantizer. */
export type QuantizerName = keyof typeof quantizerIds;

const namesById = new Map<number, QuantizerName>(
  (Object.keys(quantizerIds) as QuantizerName[]).map((name) => [quantizerIds[name], name]),
);

const firstTrellisCoded = 16;

/**
 * Whether a quantizer is trellis-coded: its tables then come in pairs.
 *
 * @example
 * isTrellisCoded('tcq8'); // => true
 */
export function isTrellisCoded(name: QuantizerName): boolean {
  return quantizerIds[name] >= firstTrellisCoded;
}

/**
 * Name of a quantizer id.
 *
 * @param id 0..255
 * @returns the name, or undefined where the id is not registered
 * @example
 * quantizerName(17); // => 'tcq8'
 */
export function quantizerName(id: number): QuantizerName | undefined {
  return namesById.get(id);
}
