/** `codec networks`: multiply-accumulates per pixel and parameters of the networks, part by part. */
import type { Command } from 'commander';
import { networkComplexity, networkParts, type PartComplexity } from '../../networks/complexity.js';
import { type NetworkConfig, networkConfigs } from '../../networks/config.js';
import type { Context } from '../context.js';
import { examples } from '../manual.js';
import { jsonOption, modelNamed } from '../options.js';
import { count, table } from '../text.js';

const titles: Readonly<Record<(typeof networkParts)[number], string>> = {
  analysis: 'analysis',
  hyperAnalysis: 'hyper-analysis',
  hyperSynthesis: 'hyper-synthesis (exact)',
  context: 'context passes (exact)',
  synthesis: 'synthesis',
  rate: 'rate tables',
};

/** Lines of one network. */
function lines(config: NetworkConfig): string[] {
  const { parts, encode, decode, exact, total } = networkComplexity(config);
  const row = (title: string, { kmacPerPixel, parameters }: PartComplexity): string[] => [
    `  ${title}`,
    kmacPerPixel.toFixed(3),
    count(parameters),
  ];
  return table(
    [
      [config.name, 'kMAC/pixel', 'parameters'],
      ...networkParts.map((part) => row(titles[part], parts[part])),
      row('encode', encode),
      row('decode', decode),
      row('exact part of both', exact),
      row('all', total),
    ],
    'lrr',
  );
}

/** Adds the command. */
export function addNetworks(program: Command, context: Context): void {
  const command = program
    .command('networks')
    .summary('show what the networks cost')
    .description(
      'Show multiply-accumulates per image pixel and parameters of every part of a network, counted from its graphs.',
    )
    .argument(
      '[name...]',
      `networks (${Object.keys(networkConfigs).join(', ')}) or model files (default: all)`,
    )
    .addOption(jsonOption())
    .action(async (names: string[], options: { json?: boolean }) => {
      const configs: NetworkConfig[] = [];
      for (const name of names) {
        if (Object.hasOwn(networkConfigs, name))
          configs.push(networkConfigs[name as keyof typeof networkConfigs]);
        else configs.push((await modelNamed(name)).config);
      }
      if (names.length === 0) configs.push(...Object.values(networkConfigs));
      if (options.json) {
        return context.printJson(configs.map((config) => ({ config, ...networkComplexity(config) })));
      }
      context.print(configs.map((config) => lines(config).join('\n')).join('\n\n'));
    });
  examples(command, ['codec networks base']);
}
