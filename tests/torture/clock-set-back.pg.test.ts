import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { routes } from '../../contract/routes.ts';
import { ApiClient } from '../../load-tests/lib/api-client.ts';
import { buildStage } from '../../load-tests/lib/stage.ts';
import { Viewer } from '../../load-tests/lib/viewer.ts';
import { startServerProcess } from '../services/server-process.ts';

const skewedClock = fileURLToPath(new URL('../../load-tests/torture/rig/skewed-clock.mjs', import.meta.url));
const livestreamId = 'night';

test('[FO-30] a machine clock that is set back by ten minutes holds up no frame', { timeout: 900_000 }, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'stockcast-clock-'));
  const skewFile = join(dataDir, 'skew');
  await writeFile(skewFile, '0');
  const environment = { DEMO: 'false', TORTURE_SKEW_FILE: skewFile };
  const server = await startServerProcess({ dataDir, environment, nodeArguments: ['--import', skewedClock] });
  const api = new ApiClient(server.url);
  const items = [{ skuId: 'tea', title: 'Tea', priceMinor: 990, currency: 'CNY', allotted: 50 }];
  let viewer: Viewer | undefined;
  try {
    const stage = { livestreamId, title: 'Night', holdTtlMs: 600_000, items };
    const { operatorToken } = await buildStage(api, await server.token({ role: 'admin' }), stage);
    const token = await server.token({ role: 'viewer', livestreamId, buyerId: 'ann' });
    viewer = await Viewer.watch({
      url: server.url,
      token,
      livestreamId,
      lane: 'viewers',
      random: () => 0.5,
      now: () => performance.now(),
      strict: true,
    });
    const buy = (number: number) =>
      api.need(routes.placeOrder, {
        token,
        params: { livestreamId },
        body: { idempotencyKey: `key-of-order-${number}`, lines: [{ skuId: 'tea', quantity: 1 }] },
      });
    const shown = () => viewer?.book.rows.get(0)?.shown;
    const serverNowMs = async () =>
      (await api.need(routes.getAudit, { token: operatorToken, params: { livestreamId } })).atMs;
    await buy(1);
    await expect.poll(shown, { timeout: 60_000 }).toBe(49);

    await writeFile(skewFile, '-600000');
    await expect.poll(serverNowMs, { timeout: 60_000 }).toBeLessThan(Date.now() - 500_000);
    await buy(2);
    await expect.poll(shown, { timeout: 60_000 }).toBe(48);
  } finally {
    viewer?.stop();
    api.close();
    await server.kill();
    await rm(dataDir, { recursive: true, force: true });
  }
});
