import { burstProgram } from './burst.ts';
import { runProgram } from './lib/flags.ts';
import { orderRateProgram } from './order-rate.ts';

/** `npm run bench -- <scenario> [flags]`: every load test under one command. */
const scenarios: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  burst: burstProgram,
  'order-rate': orderRateProgram,
};

await runProgram(async ([name = '', ...args]) => {
  const scenario = scenarios[name];
  if (scenario === undefined) throw new Error(`npm run bench -- ${Object.keys(scenarios).join(' | ')} [flags]`);
  return scenario(args);
});
