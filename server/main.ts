import { createInterface } from 'node:readline';
import { type RunningServer, start } from './compose.ts';
import { parseConfig } from './config/config.ts';
import { createLog } from './lib/log.ts';
import { onStopSignal } from './lib/stop-signals.ts';
import { accessLinks, reasonOf } from './welcome.ts';

/** Environment → start → stop. */
async function main(): Promise<void> {
  // The one place that hands the environment to its one reader.
  // oxlint-disable-next-line no-process-env
  const config = parseConfig(process.env);
  const log = createLog(config);
  const starting = start(config, log);

  const stop = async (signal: string): Promise<void> => {
    log.info({ signal }, 'stopping');
    // What has begun to start is ended too, when it has started: nothing is left half done. Why it did not start is told below.
    const begun = await starting.catch(() => null);
    if (begun === null) return;
    const late = setTimeout(() => {
      log.error('not stopped in time; leaving');
      process.exit(1);
    }, config.drainNoticeMs + config.shutdownGraceMs);
    late.unref();
    await begun.stop('server_stopping');
    process.exit(0);
  };
  onStopSignal((signal) => void stop(signal));

  const server = await starting;
  process.stdout.write(await welcome(server));
  if (server.demoReplay !== null && process.stdin.isTTY) offerReplay(server.demoReplay);
}

/** What a newcomer needs: where everything is, and links that open it. */
async function welcome(server: RunningServer): Promise<string> {
  const parts = [
    '',
    `  Stockcast  ${server.url}/`,
    `  库存闸口 gate: ${server.gate} · 账本 ledger: ${server.database}`,
    `  接口文档 API documents: ${server.url}/docs`,
    ...(await accessLinks(server)),
  ];
  return `${parts.join('\n')}\n\n`;
}

function offerReplay(replay: { start(): Promise<boolean> }): void {
  process.stdout.write(
    '  按 r 回车：在演示直播间重放真实的一天 · press r + Enter: replay a real day on the demo livestream\n\n',
  );
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    if (line.trim().toLowerCase() === 'r') void replay.start();
  });
}

main().catch((error: unknown) => {
  process.stderr.write(`${reasonOf(error)}\n`);
  process.exit(1);
});
