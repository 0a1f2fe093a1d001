/** The parameters that a file's encoder and decoder need, found by building their graphs once. */
import { Graph, type Tensor } from '../../src/graph/index.js';
import { contextPasses, type NetworkConfig } from './config.js';
import { contextPass, hyperAnalysis, hyperSynthesis, joinPasses, splitPasses } from './hyperprior.js';
import { type ParameterSpec, Parameters } from './parameters.js';
import { rateTables } from './rate-tables.js';
import { analysis, synthesis } from './transforms.js';

/** Graph of the encoder's transforms: picture in, dense latents of the four passes and hyper-latents out. */
export function encoderGraph(
  config: NetworkConfig,
  height: number,
  width: number,
): {
  readonly parameters: Parameters;
  readonly outputs: Record<string, Tensor>;
} {
  const graph = new Graph();
  const parameters = new Parameters(graph);
  const x = graph.input('x', [1, 3, height, width]);
  const latents = analysis(parameters, config, x, {
    features: graph.input('gain.features', [1, config.channels, 1, 1]),
    latents: graph.input('gain.latents', [1, config.latents, 1, 1]),
  });
  const outputs: Record<string, Tensor> = { hyperLatents: hyperAnalysis(parameters, config, latents) };
  splitPasses(latents).forEach((pass, index) => {
    outputs[`pass${index}`] = pass;
  });
  return { parameters, outputs };
}

/** Graph of the decoder's transform: dequantized dense latents in, picture out. */
export function decoderGraph(
  config: NetworkConfig,
  height: number,
  width: number,
): {
  readonly parameters: Parameters;
  readonly outputs: Record<string, Tensor>;
} {
  const graph = new Graph();
  const parameters = new Parameters(graph);
  const shape = [1, config.latents, height / 32, width / 32];
  const passes = Array.from({ length: contextPasses }, (_, pass) => graph.input(`pass${pass}`, shape));
  const x = synthesis(parameters, config, joinPasses(passes), {
    features: graph.input('gain.features', [1, config.channels, 1, 1]),
    latents: graph.input('gain.latents', [1, config.latents, 1, 1]),
  });
  return { parameters, outputs: { x } };
}

/** Graph of the hyper-synthesis for a picture of that padded size. */
export function hyperSynthesisGraph(
  config: NetworkConfig,
  height: number,
  width: number,
): {
  readonly parameters: Parameters;
  readonly outputs: Record<string, Tensor>;
} {
  const graph = new Graph();
  const parameters = new Parameters(graph);
  const z = graph.input('hyperLatents', [1, config.hyperLatents, height / 64, width / 64]);
  const bias = graph.input('bias', [1, config.context, 1, 1]);
  return { parameters, outputs: { features: hyperSynthesis(parameters, config, z, bias) } };
}

/** Graph of one context pass for a picture of that padded size. */
export function contextPassGraph(
  config: NetworkConfig,
  pass: number,
  height: number,
  width: number,
): {
  readonly parameters: Parameters;
  readonly outputs: Record<string, Tensor>;
} {
  const graph = new Graph();
  const parameters = new Parameters(graph);
  const features = graph.input('features', [1, config.context, height / 16, width / 16]);
  const known = Array.from({ length: pass }, (_, k) =>
    graph.input(`pass${k}`, [1, config.latents, height / 32, width / 32]),
  );
  const bias = graph.input('bias', [1, config.latents, 1, 1]);
  const { means, logScales } = contextPass(parameters, config, pass, features, known, bias);
  return { parameters, outputs: { means, logScales } };
}

/** All parameters of a coder; the prior's belong to training and to the making of tables only. */
export function coderSpecs(config: NetworkConfig): Map<string, ParameterSpec> {
  const specs = new Map<string, ParameterSpec>();
  const graphs = [
    encoderGraph(config, 64, 64),
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
