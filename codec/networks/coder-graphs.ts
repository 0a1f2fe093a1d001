/**
 * The inference graphs of a coder, for codec/exact and for the transforms' engines, and the parameters that they need. All
 * are for one picture of a padded size (multiples of 64); latents travel in the dense form of hyperprior.ts.
 */
import {
  Graph,
  maximum,
  minimum,
  mul,
  stopGradient,
  sub,
  type Tensor,
  vectorJacobian,
} from '../../src/graph/index.js';
import { contextPasses, type NetworkConfig } from './config.js';
import { contextPass, hyperAnalysis, hyperSynthesis, joinPasses, splitPasses } from './hyperprior.js';
import { type ParameterSpec, Parameters } from './parameters.js';
import { rateTables } from './rate-tables.js';
import { deepAnalysis, patch, shallowAnalysis, synthesis } from './transforms.js';

/** An inference graph: its outputs by name and the parameters that it declared. */
export interface CoderGraph {
  readonly parameters: Parameters;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

function coderGraph(build: (graph: Graph, parameters: Parameters) => Record<string, Tensor>): CoderGraph {
  const graph = new Graph();
  const parameters = new Parameters(graph);
  return { parameters, outputs: build(graph, parameters) };
}

const gainInputs = (graph: Graph, config: NetworkConfig): { features: Tensor; latents: Tensor } => ({
  features: graph.input('gain.features', [1, config.channels, 1, 1]),
  latents: graph.input('gain.latents', [1, config.latents, 1, 1]),
});

/** Inputs for the dense latents of the first `count` passes. */
const passInputs = (
  graph: Graph,
  config: NetworkConfig,
  count: number,
  height: number,
  width: number,
): Tensor[] =>
  Array.from({ length: count }, (_, pass) =>
    graph.input(`pass${pass}`, [1, config.latents, height / 32, width / 32]),
  );

/** The encoder's transform as far as it is the same at all rates: picture `x` in, `shallow` out. */
export const shallowEncoderGraph = (config: NetworkConfig, height: number, width: number): CoderGraph =>
  coderGraph((graph, parameters) => {
    const x = graph.input('x', [1, 3, height, width]);
    return { shallow: shallowAnalysis(parameters, config, x) };
  });

/** The rest of the encoder's transforms: `shallow` and gains in, dense latents `pass0..3` and `hyperLatents` out. */
export const deepEncoderGraph = (config: NetworkConfig, height: number, width: number): CoderGraph =>
  coderGraph((graph, parameters) => {
    const shallow = graph.input('shallow', [1, config.channels, height / patch, width / patch]);
    const latents = deepAnalysis(parameters, config, shallow, gainInputs(graph, config));
    const passes = splitPasses(latents).map((pass, index) => [`pass${index}`, pass] as const);
    return { hyperLatents: hyperAnalysis(parameters, config, latents), ...Object.fromEntries(passes) };
  });

/** The decoder's transform: dequantized dense latents `pass0..3` in, picture `x` out. */
export const decoderGraph = (config: NetworkConfig, height: number, width: number): CoderGraph =>
  coderGraph((graph, parameters) => {
    const latents = joinPasses(passInputs(graph, config, contextPasses, height, width));
    return { x: synthesis(parameters, config, latents, gainInputs(graph, config)) };
  });

/**
 * How the decoder's picture depends on its latents: dense latents `pass0..3` as decoderGraph has them, a picture `x` and
 * `weights` [1,1,H,W] of its pixels in, `gradient0..3` out: the gradient of half the weighted squared error (sum over all
 * values in [0,1]) with respect to the latents. The error is that of the picture as it is shown, without values beyond [0,1].
 * The way back takes the blocks at 1/16 for the identity: files come out as small (docs/TRAINING.md, "Refinement"), sooner.
 */
export const errorGradientGraph = (config: NetworkConfig, height: number, width: number): CoderGraph =>
  coderGraph((graph, parameters) => {
    const x = graph.input('x', [1, 3, height, width]);
    const weights = graph.input('weights', [1, 1, height, width]);
    const latents = joinPasses(passInputs(graph, config, contextPasses, height, width));
    const decoded = synthesis(parameters, config, latents, gainInputs(graph, config), stopGradient);
    const shown = minimum(maximum(decoded, 0), 1);
    const [gradient] = vectorJacobian(decoded, mul(sub(shown, x), weights), [latents]);
    return Object.fromEntries(splitPasses(gradient).map((part, pass) => [`gradient${pass}`, part]));
  });

/** The hyper-synthesis for a picture of that padded size: `hyperLatents`, `bias` in, `features` out. */
export const hyperSynthesisGraph = (config: NetworkConfig, height: number, width: number): CoderGraph =>
  coderGraph((graph, parameters) => {
    const z = graph.input('hyperLatents', [1, config.hyperLatents, height / 64, width / 64]);
    const bias = graph.input('bias', [1, config.context, 1, 1]);
    return { features: hyperSynthesis(parameters, config, z, bias) };
  });

/** One context pass: `features`, `pass0..` before it and `bias` in, `means` and `logScales` out. */
export const contextPassGraph = (
  config: NetworkConfig,
  pass: number,
  height: number,
  width: number,
): CoderGraph =>
  coderGraph((graph, parameters) => {
    const features = graph.input('features', [1, config.context, height / 16, width / 16]);
    const known = passInputs(graph, config, pass, height, width);
    const bias = graph.input('bias', [1, config.latents, 1, 1]);
    return { ...contextPass(parameters, config, pass, features, known, bias) };
  });

/** A network that the entropy coder depends on: the hyper-synthesis, or the context pass of that number. */
export type EntropyNetwork = 'hyperSynthesis' | number;

/** The graph of an entropy network for a picture of that padded size. */
export const entropyNetworkGraph = (
  config: NetworkConfig,
  network: EntropyNetwork,
  height: number,
  width: number,
): CoderGraph =>
  network === 'hyperSynthesis'
    ? hyperSynthesisGraph(config, height, width)
    : contextPassGraph(config, network, height, width);

/** All parameters of a coder; the prior's belong to training and to the making of tables only. */
export function coderSpecs(config: NetworkConfig): Map<string, ParameterSpec> {
  const specs = new Map<string, ParameterSpec>();
  const graphs = [
    shallowEncoderGraph(config, 64, 64),
    deepEncoderGraph(config, 64, 64),
    decoderGraph(config, 64, 64),
    hyperSynthesisGraph(config, 64, 64),
    ...Array.from({ length: contextPasses }, (_, pass) => contextPassGraph(config, pass, 64, 64)),
  ];
  const tables = new Parameters(new Graph());
  rateTables(tables, config);
  for (const parameters of [...graphs.map((graph) => graph.parameters), tables]) {
    for (const [name, spec] of parameters.specs) specs.set(name, spec);
  }
  return specs;
}
