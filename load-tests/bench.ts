import { jitteryNetwork, stalledClient } from './bench/bad-networks.ts';
import { stayOffServerCore } from './bench/child-process.ts';
import { memoryPerConnection, reconnectStorm } from './bench/connections.ts';
import {
  frameCostAgainstSocketIo,
  frameCostAgainstUws,
  hotItemAgainstSocketIo,
  hotItemAgainstUws,
} from './bench/fan-out-cost.ts';
import { type Bench, jsonLine, type Scenario, tableHead, tableRow, wanted } from './bench/figure.ts';
import { loadClient } from './bench/flood.ts';
import { handOver } from './bench/hand-over.ts';
import { costAsNodesGrow, nodeKilled, redisFlushed } from './bench/nodes.ts';
import { orders } from './bench/orders.ts';
import { publishInScript } from './bench/reserve-script.ts';
import { soldOut } from './bench/sold-out.ts';
import { fastBesideStalled, memoryBesideStalled } from './bench/stalled.ts';
import { acrossNodes, nodesAgree } from './bench/two-nodes.ts';
import { burstProgram } from './burst.ts';
import { readFlags, runProgram } from './lib/flags.ts';
import { orderRateProgram } from './order-rate.ts';

/** Load tests against a server that runs already, reached by their names: `npm run bench -- burst --url …`. */
const programs: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  burst: burstProgram,
  'order-rate': orderRateProgram,
};

/** Figures against rivals; each scenario starts its own servers. */
const scenarios: readonly Scenario[] = [
  frameCostAgainstSocketIo,
  hotItemAgainstSocketIo,
  frameCostAgainstUws,
  hotItemAgainstUws,
  orders,
  soldOut,
  nodesAgree,
  stalledClient,
  memoryBesideStalled,
  fastBesideStalled,
  jitteryNetwork,
  reconnectStorm,
  memoryPerConnection,
  publishInScript,
  acrossNodes,
  nodeKilled,
  redisFlushed,
  costAsNodesGrow,
  handOver,
];

/** `npm run bench`: every figure as a table; `--json`: one object a line; `--only F1,F4`; `--quick`: smaller crowds, under 3 minutes. */
async function figuresProgram(args: readonly string[]): Promise<number> {
  const flags = readFlags(args, { text: ['only', 'rounds'], on: ['json', 'quick', 'verbose'] });
  const [json, quick] = [flags.on('json'), flags.on('quick')];
  const only = new Set(flags.list('only', '').map((id) => id.toUpperCase()));
  const unknown = [...only].filter((id) => !scenarios.some(({ ids }) => ids.includes(id)));
  if (unknown.length > 0) throw new Error(`there is no figure ${unknown.join(', ')}`);
  const bench: Bench = {
    quick,
    rounds: flags.whole('rounds', quick ? 1 : 3, { min: 1, max: 100 }),
    only: only.size === 0 ? null : only,
    log: (line) => (flags.on('verbose') ? console.error(line) : undefined),
  };
  stayOffServerCore();
  if (!json) {
    console.log(`Load client: ${loadClient().kind === 'c' ? 'C, epoll' : 'Node (no C compiler found)'}.`);
    if (quick) console.log('Quick run: small crowds, few rounds; the numbers only show that everything works.');
    console.log(tableHead);
  }
  let failures = 0;
  for (const scenario of scenarios) {
    if (!wanted(bench, scenario.ids) || (quick && only.size === 0 && scenario.slowToStart === true)) continue;
    const startedAtMs = performance.now();
    try {
      for (const figure of await scenario.run(bench)) {
        if (wanted(bench, [figure.id])) console.log(json ? jsonLine(figure) : tableRow(figure));
      }
    } catch (error) {
      failures += 1;
      console.error(`${scenario.ids.join(', ')}: ${error instanceof Error ? error.message : String(error)}`);
    }
    bench.log(`${scenario.ids.join(', ')}: ${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s`);
  }
  return failures === 0 ? 0 : 1;
}

await runProgram(async ([name = '', ...args]) => {
  const program = programs[name];
  if (program !== undefined) return program(args);
  return figuresProgram(name === '' ? args : [name, ...args]);
});
