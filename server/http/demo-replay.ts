import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import express, { type Router } from 'express';
import type { Logger } from 'pino';
import { HttpError } from './request.ts';
import { provenanceOf } from './same-origin.ts';

const script = fileURLToPath(new URL('../../load-tests/replay/main.ts', import.meta.url));

type Deps = {
  /** Where this server answers; the replay is a client of its public API like any other. */
  readonly serverUrl: () => string;
  readonly livestreamId: string;
  /** An admin token for the replay; given through the environment, so that no process list shows it. */
  readonly issueToken: () => Promise<string>;
  readonly log: Logger;
};

export type DemoReplay = {
  /** False: one is running already. */
  start(): Promise<boolean>;
  readonly running: boolean;
  stop(): Promise<void>;
};

/** "Replay a real day" on the demo livestream: real orders of one shop's day, so that the pages are alive within a minute. */
export function createDemoReplay({ serverUrl, livestreamId, issueToken, log }: Deps): DemoReplay {
  let child: ChildProcess | undefined;
  let starting = false;

  return {
    get running() {
      return child !== undefined || starting;
    },
    async start() {
      if (child !== undefined || starting) return false;
      starting = true;
      try {
        const args = ['--import', 'tsx', script, '--demo', '--livestream', livestreamId, '--url', serverUrl()];
        child = spawn(process.execPath, args, {
          // The child sees what a Node program needs and its token, nothing of this server's secrets.
          env: { PATH: process.execPath, STOCKCAST_TOKEN: await issueToken() },
          stdio: ['ignore', 'ignore', 'pipe'],
        });
      } finally {
        starting = false;
      }
      child.stderr?.on('data', (text: Buffer) => log.warn({ replay: text.toString().trim() }, 'replay'));
      child.once('error', (error) => log.warn({ err: error }, 'the replay could not be started'));
      child.once('close', (code) => {
        log.info({ code }, 'replay of a real day has ended');
        child = undefined;
      });
      log.info('replay of a real day has started');
      return true;
    },
    async stop() {
      if (child === undefined) return;
      const closed = once(child, 'close');
      child.kill('SIGTERM');
      await closed;
    },
  };
}

/** GET tells whether a replay runs, POST starts one. Mounted in demo mode only. */
export function demoReplayRoutes(replay: DemoReplay, publicUrl: string | null): Router {
  const router = express.Router();
  router.get('/replay', (_req, res) => {
    res.json({ running: replay.running });
  });
  router.post('/replay', async (req, res) => {
    if (provenanceOf(req, publicUrl) === 'elsewhere') throw new HttpError('forbidden');
    const started = await replay.start();
    res.status(started ? 202 : 200).json({ running: true });
  });
  return router;
}
