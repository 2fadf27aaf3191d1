import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * How many viewers, orders and nodes one livestream and the whole system carry, from costs that were measured on one machine.
 * `npx tsx load-tests/scale-model.ts` prints the tables of docs/scale.md, with `--write` into it. Pure arithmetic: no queues, no bursts within a second.
 */

/** Measured; where and when: docs/scale.md. Microseconds are of one core. */
export type Costs = {
  /** Node: one frame to one viewer, its share of acknowledgements included. */
  readonly frameMicros: number;
  /** Node: one order from request to answer. */
  readonly orderMicros: number;
  /** Node: one published change heard from Redis. */
  readonly hearMicros: number;
  /** Redis: each reserve, and each call that carries some of them. */
  readonly reserveMicros: number;
  readonly reserveCallMicros: number;
  /** Redis: each publish, and each node that it goes to. */
  readonly publishMicros: number;
  readonly subscriberMicros: number;
  /** PostgreSQL: one order in a group. */
  readonly ledgerMicros: number;
  /** Node: one connection at rest. */
  readonly connectionKib: number;
  /** One frame as TCP carries it. */
  readonly frameBytes: number;
};

/** Chosen, not measured. */
export type Assumptions = {
  readonly ordersPerViewerSecond: number;
  /** One frame in so many ms at most while an item is hot: the room's window. */
  readonly windowMs: number;
  /** Share of a core, of memory and of a network card that is planned for; the rest is for bursts and lost nodes. */
  readonly utilisation: number;
  /** One node: one core of the server's event loop. */
  readonly nodeGib: number;
  readonly nodeGbits: number;
  readonly nodeSocketsMax: number;
  /** Ethernet, IP and TCP around each frame, with the acknowledgement that comes back. */
  readonly packetBytes: number;
  /** The kernel's part of an idle connection. */
  readonly kernelKib: number;
  /** Time of one call to the gate: what arrives meanwhile goes into the next one, 50 at most. */
  readonly gateCallMs: number;
  readonly ledgerCores: number;
  readonly corePerHour: number;
  readonly gibPerHour: number;
  readonly egressPerGib: number;
};

/** How a system is built. */
export type Shape = {
  /** Livestreams that share the viewers evenly; each lives on one Redis shard of its own. */
  readonly livestreams: number;
  /** Nodes that a livestream's viewers are spread over; null: every node. */
  readonly nodesPerLivestream: number | null;
  /** Nodes that take a livestream's orders; null: all those that have its viewers. Fewer nodes make fuller calls, so fewer messages. */
  readonly orderNodes: number | null;
  /** Relays between Redis and nodes, each for 500 nodes, that pass on the newest levels so often; null: nodes follow Redis themselves. */
  readonly relayHz: number | null;
};

const messageReserves = 50;
const nodesPerRelay = 500;

export const costs: Costs = {
  frameMicros: 20,
  orderMicros: 250,
  hearMicros: 50,
  reserveMicros: 27,
  reserveCallMicros: 26,
  publishMicros: 5,
  subscriberMicros: 1,
  ledgerMicros: 62,
  connectionKib: 11,
  frameBytes: 108,
};

export const assumptions: Assumptions = {
  ordersPerViewerSecond: 0.001,
  windowMs: 200,
  utilisation: 0.5,
  nodeGib: 4,
  nodeGbits: 2,
  nodeSocketsMax: 30_000,
  packetBytes: 132,
  kernelKib: 8,
  gateCallMs: 1,
  ledgerCores: 16,
  corePerHour: 0.04,
  gibPerHour: 0.005,
  egressPerGib: 0.02,
};

type NodeLimit = 'cpu' | 'memory' | 'sockets' | 'network';

export type Plan = {
  readonly viewers: number;
  readonly ordersPerSecond: number;
  /** Infinity: no number of nodes is enough. */
  readonly nodes: number;
  /** What the number of nodes comes from. */
  readonly nodesFor: NodeLimit;
  /** Share of one core that a node spends on hearing changes of its livestreams, whatever its viewers. */
  readonly hearing: number;
  /** Share of one core of the busiest livestream's Redis shard. */
  readonly gate: number;
  /** Part of that which is messages to nodes. */
  readonly gatePublishing: number;
  /** Share of PostgreSQL's cores. */
  readonly ledger: number;
  readonly egressGbits: number;
  /** What is in the way of growth first; `nodes`: nothing else is above a tenth of what it can do, and more nodes help. */
  readonly first: 'nodes' | 'gate' | 'ledger' | 'hearing';
  readonly perHour: { readonly compute: number; readonly egress: number };
};

/** The plan for so many viewers. */
export function planOf(viewers: number, shape: Shape, cost: Costs = costs, assume: Assumptions = assumptions): Plan {
  const load = loadOf(viewers, cost, assume);
  const { nodes, nodesFor, calls, hearing } = nodesOf(load, shape, cost, assume);
  const orders = load.ordersPerSecond / shape.livestreams;
  const listeners = shape.relayHz === null ? nodesWith(shape, nodes) : Math.ceil(nodes / nodesPerRelay);
  const publishing = (calls * (cost.publishMicros + listeners * cost.subscriberMicros)) / 1e6;
  const gate = (orders * cost.reserveMicros + calls * cost.reserveCallMicros) / 1e6 + publishing;
  const ledgerCores = (load.ordersPerSecond * cost.ledgerMicros) / 1e6;
  const ledger = ledgerCores / assume.ledgerCores;
  const databaseCores =
    Math.ceil((gate / assume.utilisation) * shape.livestreams) + Math.ceil(ledgerCores / assume.utilisation);
  return {
    viewers,
    ordersPerSecond: load.ordersPerSecond,
    nodes,
    nodesFor,
    hearing,
    gate,
    gatePublishing: Number.isFinite(gate) ? publishing / gate : 1,
    ledger,
    egressGbits: load.bitsPerSecond / 1e9,
    first: firstOf({ gate, ledger, hearing: hearing / assume.utilisation }),
    perHour: {
      compute: nodes * (assume.corePerHour + assume.nodeGib * assume.gibPerHour) + databaseCores * assume.corePerHour,
      egress: (load.bitsPerSecond / 8 / 2 ** 30) * 3_600 * assume.egressPerGib,
    },
  };
}

/** What viewers and orders cost, however they are spread. */
function loadOf(viewers: number, cost: Costs, assume: Assumptions) {
  const ordersPerSecond = viewers * assume.ordersPerViewerSecond;
  const framesPerSecond = viewers * (1_000 / assume.windowMs);
  return {
    viewers,
    ordersPerSecond,
    cores: (framesPerSecond * cost.frameMicros + ordersPerSecond * cost.orderMicros) / 1e6,
    gib: (viewers * (cost.connectionKib + assume.kernelKib)) / 1_048_576,
    bitsPerSecond: framesPerSecond * (cost.frameBytes + assume.packetBytes) * 8,
  };
}

const nodesWith = (shape: Shape, nodes: number): number => Math.min(nodes, shape.nodesPerLivestream ?? nodes);

/** Nodes hear every change of the livestreams that they serve, and share orders: their number depends on itself, so it is sought. */
function nodesOf(load: ReturnType<typeof loadOf>, shape: Shape, cost: Costs, assume: Assumptions) {
  const needed = (hearing: number): Readonly<Record<NodeLimit, number>> => ({
    cpu: hearing < assume.utilisation ? load.cores / (assume.utilisation - hearing) : Number.POSITIVE_INFINITY,
    memory: load.gib / (assume.nodeGib * assume.utilisation),
    sockets: load.viewers / assume.nodeSocketsMax,
    network: load.bitsPerSecond / 1e9 / (assume.nodeGbits * assume.utilisation),
  });
  let found = { nodes: 0, nodesFor: most(needed(0)), calls: 0, hearing: 0 };
  for (let nodes = enoughOf(needed(0)); found.nodes !== nodes && found.nodes < nodes; ) {
    const orders = load.ordersPerSecond / shape.livestreams;
    const calls = callsPerSecond(orders, shape.orderNodes ?? nodesWith(shape, nodes), assume);
    const messages = shape.relayHz === null ? calls : Math.min(calls, shape.relayHz);
    const livestreamsPerNode = (shape.livestreams * nodesWith(shape, nodes)) / nodes;
    const hearing = (messages * cost.hearMicros * (Number.isFinite(nodes) ? livestreamsPerNode : 1)) / 1e6;
    found = { nodes, nodesFor: most(needed(hearing)), calls, hearing };
    nodes = Math.max(nodes, enoughOf(needed(hearing)));
  }
  return found;
}

const most = (of: Readonly<Record<NodeLimit, number>>): NodeLimit =>
  (Object.keys(of) as NodeLimit[]).reduce((one, other) => (of[other] > of[one] ? other : one));

const enoughOf = (of: Readonly<Record<NodeLimit, number>>): number =>
  Math.max(1, Math.ceil(Math.max(...Object.values(of))));

function firstOf(shares: Readonly<Record<'gate' | 'ledger' | 'hearing', number>>): Plan['first'] {
  const names = ['gate', 'ledger', 'hearing'] as const;
  const largest = names.reduce((one, other) => (shares[other] > shares[one] ? other : one));
  return shares[largest] < 0.1 ? 'nodes' : largest;
}

/** Orders that arrive at a node while it waits for the gate share its next call. */
function callsPerSecond(orders: number, orderNodes: number, { gateCallMs }: Assumptions): number {
  const perNode = orders / orderNodes;
  const perCall = Math.min(messageReserves, Math.max(1, (perNode * gateCallMs) / 1_000));
  return orders / perCall;
}

export const sizes = [10_000, 100_000, 1_000_000, 10_000_000] as const;

export const shapes: readonly { readonly title: string; readonly shape: (viewers: number) => Shape }[] = [
  {
    title: 'One livestream, as it is built: every node takes orders and follows Redis',
    shape: () => ({ livestreams: 1, nodesPerLivestream: null, orderNodes: null, relayHz: null }),
  },
  {
    title: 'One livestream, its orders on four nodes',
    shape: () => ({ livestreams: 1, nodesPerLivestream: null, orderNodes: 4, relayHz: null }),
  },
  {
    title: 'One livestream, its orders on four nodes, and relays that pass levels on 20 times a second',
    shape: () => ({ livestreams: 1, nodesPerLivestream: null, orderNodes: 4, relayHz: 20 }),
  },
  {
    title: 'Livestreams of 10,000 viewers each, on two nodes each',
    shape: (viewers) => ({ livestreams: viewers / 10_000, nodesPerLivestream: 2, orderNodes: null, relayHz: null }),
  },
];

const head = [
  '| viewers | orders/s | nodes (for) | hearing, of a node | Redis shard (of it publishing) | PostgreSQL | egress Gbit/s | saturates first | per hour and million viewers: machines + traffic |',
  '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
];

const count = (value: number): string => (Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '∞');
const percent = (value: number): string => (Number.isFinite(value) ? `${count(100 * value)} %` : '∞');

export function tableRow(plan: Plan): string {
  const { viewers, ordersPerSecond, nodes, nodesFor, hearing, gate, gatePublishing, ledger, egressGbits, first } = plan;
  const million = viewers / 1e6;
  const { compute, egress } = plan.perHour;
  const cells = [
    count(viewers),
    count(ordersPerSecond),
    `${count(nodes)} (${nodesFor})`,
    percent(hearing),
    `${percent(gate)} (${Number.isFinite(gate) ? percent(gatePublishing) : '–'})`,
    percent(ledger),
    egressGbits < 10 ? egressGbits.toFixed(1) : count(egressGbits),
    first,
    `${count(compute / million)} + ${count(egress / million)}`,
  ];
  return `| ${cells.join(' | ')} |`;
}

const valuesTable = (title: string, values: Readonly<Record<string, number>>): string =>
  [`| ${title} | |`, '| --- | --- |', ...Object.entries(values).map(([name, value]) => `| ${name} | ${value} |`)].join(
    '\n',
  );

/** Everything that docs/scale.md takes from here, in Markdown. */
export function tables(): string {
  const parts = shapes.map(({ title, shape }) =>
    [`**${title}**`, '', ...head, ...sizes.map((viewers) => tableRow(planOf(viewers, shape(viewers))))].join('\n'),
  );
  return [valuesTable('measured', costs), valuesTable('assumed', assumptions), ...parts].join('\n\n');
}

/** The document with the tables of now between its two marks. */
export function withTables(document: string): string {
  return document.replace(/(<!-- tables -->\n)[^]*(\n<!-- end of tables -->)/, (_, from: string, to: string) => {
    return `${from}\n${tables()}\n${to}`;
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = new URL('../docs/scale.md', import.meta.url);
  if (process.argv.includes('--write')) writeFileSync(path, withTables(readFileSync(path, 'utf8')));
  else process.stdout.write(`${tables()}\n`);
}
