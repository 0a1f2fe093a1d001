/**
 * What a network costs: multiply-accumulates per image pixel and parameters of each of its parts, counted from the
 * graphs that encoder and decoder run.
 */
import { macsOf } from '../../src/graph/complexity.js';
import { ancestors, sizeOf, type Tensor } from '../../src/graph/index.js';
import {
  coderSpecs,
  contextPassGraph,
  decoderGraph,
  deepEncoderGraph,
  hyperSynthesisGraph,
  shallowEncoderGraph,
} from './coder-graphs.js';
import { contextPasses, type NetworkConfig, pictureMultiple } from './config.js';

/** Parts by the first word of their parameters' names, in the order of coding. `rate` is only tables. */
export const networkParts = [
  'analysis',
  'hyperAnalysis',
  'hyperSynthesis',
  'context',
  'synthesis',
  'rate',
] as const;
export type NetworkPart = (typeof networkParts)[number];

export interface PartComplexity {
  readonly kmacPerPixel: number;
  readonly parameters: number;
}

export interface NetworkComplexity {
  readonly parts: Readonly<Record<NetworkPart, PartComplexity>>;
  /** Sums: what an encoder and a decoder run, and the part of both that must be exact. */
  readonly encode: PartComplexity;
  readonly decode: PartComplexity;
  readonly exact: PartComplexity;
  readonly total: PartComplexity;
}

/** The part that a node's weights belong to; undefined for nodes without weights. */
function partOf(node: Tensor): NetworkPart | undefined {
  const name = node.inputs[1]?.name?.split('.')[0];
  return networkParts.find((part) => part === name);
}

/**
 * Counts a network.
 * @example
 * networkComplexity(networkConfigs.tiny).decode.kmacPerPixel; // below 1
 */
export function networkComplexity(config: NetworkConfig): NetworkComplexity {
  const side = pictureMultiple;
  const graphs = [
    shallowEncoderGraph(config, side, side),
    deepEncoderGraph(config, side, side),
    hyperSynthesisGraph(config, side, side),
    ...Array.from({ length: contextPasses }, (_, pass) => contextPassGraph(config, pass, side, side)),
    decoderGraph(config, side, side),
  ];
  const macs = new Map<NetworkPart, number>();
  for (const { outputs } of graphs) {
    for (const node of ancestors(Object.values(outputs))) {
      const part = partOf(node);
      if (part) macs.set(part, (macs.get(part) ?? 0) + macsOf(node));
    }
  }
  const parameters = new Map<string, number>();
  for (const [name, { shape }] of coderSpecs(config)) {
    const part = name.split('.')[0];
    parameters.set(part, (parameters.get(part) ?? 0) + sizeOf(shape));
  }
  const parts = Object.fromEntries(
    networkParts.map((part) => [
      part,
      {
        kmacPerPixel: (macs.get(part) ?? 0) / (side * side * 1000),
        parameters: parameters.get(part) ?? 0,
      },
    ]),
  ) as Record<NetworkPart, PartComplexity>;
  const together = (...names: readonly NetworkPart[]): PartComplexity => ({
    kmacPerPixel: names.reduce((sum, name) => sum + parts[name].kmacPerPixel, 0),
    parameters: names.reduce((sum, name) => sum + parts[name].parameters, 0),
  });
  return {
    parts,
    encode: together('analysis', 'hyperAnalysis', 'hyperSynthesis', 'context', 'rate'),
    decode: together('hyperSynthesis', 'context', 'synthesis', 'rate'),
    exact: together('hyperSynthesis', 'context'),
    total: together(...networkParts),
  };
}
