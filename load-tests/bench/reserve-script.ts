import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { startRedisServer } from '../../tests/services/redis-server.ts';
import { pinned, root } from './child-process.ts';
import { compare, type Scenario } from './figure.ts';

export const publishInScript: Scenario = {
  ids: ['F17'],
  async run(bench) {
    const calls = bench.quick ? 3_000 : 30_000;
    const redis = await startRedisServer();
    try {
      const words = [process.execPath, '--import', 'tsx', 'load-tests/ours/reserve-script.ts', redis.url];
      const [command = '', ...args] = pinned('server', [...words, String(bench.rounds), String(calls)]);
      const { stdout } = await promisify(execFile)(command, args, { cwd: root });
      const { withPublish, without } = JSON.parse(stdout) as Record<'withPublish' | 'without', number[]>;
      bench.log(stdout);
      return [
        compare({
          id: 'F17',
          measure: "reserves a second of Redis' CPU, one a call, one node subscribed",
          rivalName: 'the same script without publish',
          goal: 0.85,
          within: 'at least',
          n: calls,
          ours: withPublish,
          rival: without,
        }),
      ];
    } finally {
      await redis.stop();
    }
  },
};
