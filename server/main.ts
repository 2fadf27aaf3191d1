import { createInterface } from 'node:readline';
import { accessLink } from './auth/access-link.ts';
import { type RunningServer, start } from './compose.ts';
import { ConfigError, parseConfig } from './config/config.ts';
import { CannotStart } from './lib/cannot-start.ts';
import { createLog } from './lib/log.ts';

const linkTtlMs = 7 * 86_400_000;

/** Environment → start → stop. */
async function main(): Promise<void> {
  // The one place that hands the environment to its one reader.
  // oxlint-disable-next-line no-process-env
  const config = parseConfig(process.env);
  const log = createLog(config);
  const server = await start(config, log);

  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'stopping');
    const late = setTimeout(() => {
      log.error('not stopped in time; leaving');
      process.exit(1);
    }, config.shutdownGraceMs);
    late.unref();
    void server.stop('server_stopping').then(() => process.exit(0));
  };
  process.once('SIGINT', () => stop('SIGINT'));
  process.once('SIGTERM', () => stop('SIGTERM'));

  process.stdout.write(await welcome(server));
  if (server.demoReplay !== null && process.stdin.isTTY) offerReplay(server.demoReplay);
}

/** What a newcomer needs: where everything is, and links that open it. */
async function welcome(server: RunningServer): Promise<string> {
  const { url, demoLivestreamId: livestreamId } = server;
  const parts = [
    '',
    `  Stockcast  ${url}/`,
    `  库存闸口 gate: ${server.gate} · 账本 ledger: ${server.database}`,
    `  接口文档 API documents: ${url}/docs`,
  ];
  if (livestreamId !== null) {
    const linkOf = async (role: 'operator' | 'anchor' | 'admin') => {
      const grant = {
        role,
        livestreamId: role === 'admin' ? null : livestreamId,
        buyerId: null,
        deviceId: null,
        audience: null,
      };
      return accessLink(url, grant, await server.issue(grant, linkTtlMs));
    };
    parts.push(
      `  观众 viewer:   ${url}/viewer/?livestream=${livestreamId}`,
      `  主播 anchor:   ${await linkOf('anchor')}`,
      `  运营 operator: ${await linkOf('operator')}`,
      `  管理 admin:    ${await linkOf('admin')}`,
    );
  }
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
  // What its reader can mend needs no stack.
  const isForPeople = error instanceof ConfigError || error instanceof CannotStart;
  const text = error instanceof Error && !isForPeople ? error.stack : undefined;
  process.stderr.write(`${text ?? (error instanceof Error ? error.message : String(error))}\n`);
  process.exit(1);
});
