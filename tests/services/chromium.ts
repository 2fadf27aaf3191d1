import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { type BrowserContext, chromium } from 'playwright-core';
import { findProgram, isExecutable } from '../../server/private-servers/find-programs.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const folders = ['/usr/bin', '/usr/local/bin', '/snap/bin', '/opt/google/chrome'];
const macPaths = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** Thrown when no browser is installed: says how to get one. A browser test without a browser fails, it is never skipped. */
export class ChromiumMissing extends Error {
  override readonly name = 'ChromiumMissing';
  constructor() {
    super(
      'No Chromium or Chrome was found in PATH or its usual places. Install one (Debian: apt-get install -y chromium fonts-noto-cjk), or set CHROMIUM_PATH.',
    );
  }
}

/** Path of an installed Chromium or Chrome; `CHROMIUM_PATH` wins. */
export function findChromium(environment: Record<string, string | undefined>): string {
  const candidates = [
    environment['CHROMIUM_PATH'],
    findProgram(names, environment['PATH'] ?? '', folders),
    ...macPaths,
  ];
  const found = candidates.find((path) => typeof path === 'string' && isExecutable(path));
  if (typeof found !== 'string') throw new ChromiumMissing();
  return found;
}

export type Screen = {
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: 'light' | 'dark';
  readonly reducedMotion?: 'reduce' | 'no-preference';
  readonly locale?: string;
};

export type Browser = {
  /** A visitor of its own: no cookies or storage in common with others. */
  visit(screen?: Screen): Promise<BrowserContext>;
  close(): Promise<void>;
};

/** Starts the installed browser with an empty profile of its own; `close` ends it and removes the profile. */
export async function launchChromium(): Promise<Browser> {
  // oxlint-disable-next-line no-process-env -- where a browser is installed is a matter of the machine, not of the program
  const executablePath = findChromium(process.env);
  const profile = await mkdtemp(join(tmpdir(), 'stockcast-chromium-'));
  const browser = await chromium.launch({
    executablePath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--disk-cache-dir=${profile}`,
    ],
  });
  return {
    visit: ({ width = 360, height = 740, ...rest } = {}) =>
      browser.newContext({ viewport: { width, height }, locale: 'zh-CN', ...rest }),
    async close() {
      await browser.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
