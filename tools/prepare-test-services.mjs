// Makes a machine ready for `npm test`: finds the servers, the browser and the font that the suites need, installs what is missing
// where it may (root on Debian or Ubuntu), else names the command and fails. A suite without its server is never skipped in silence.
import { spawnSync } from 'node:child_process';
import { accessSync, chmodSync, constants, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What the suites need, why, how it is found (the path, or null), and what installs it. */
const needs = [
  {
    name: 'redis-server',
    why: 'the Redis gate is tested against a real Redis, started on a free port',
    find: () => findProgram(['redis-server']),
    debian: 'redis-server',
    brew: 'redis',
  },
  {
    name: 'PostgreSQL server',
    why: 'the ledger is tested against a real PostgreSQL, started in a folder of its own',
    find: () => findProgram(['postgres'], postgresFolders()),
    debian: 'postgresql',
    brew: 'postgresql@16',
  },
  {
    name: 'Chromium',
    why: 'the pages are tested in a real browser',
    find: () =>
      findProgram(
        ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'Chromium', 'Google Chrome'],
        ['/Applications/Chromium.app/Contents/MacOS', '/Applications/Google Chrome.app/Contents/MacOS', '/snap/bin'],
      ),
    debian: 'chromium',
    brew: '--cask chromium',
  },
  {
    name: 'nginx',
    why: 'the configuration of several hosts behind one address is tried with the real one',
    // Debian puts it where only root looks.
    find: () => findProgram(['nginx'], ['/usr/sbin', '/usr/local/sbin']),
    debian: 'nginx-light',
    brew: 'nginx',
  },
  {
    name: 'openssl',
    why: 'Redis is tried over TLS with a certificate of its own',
    find: () => findProgram(['openssl']),
    debian: 'openssl',
    brew: 'openssl',
  },
  {
    name: 'curl',
    why: 'the examples of the README are run as they stand',
    find: () => findProgram(['curl']),
    debian: 'curl',
    brew: 'curl',
  },
  {
    name: 'a Chinese font',
    why: 'without one every Chinese page is rendered as boxes',
    find: findChineseFont,
    debian: 'fonts-noto-cjk',
    brew: '--cask font-noto-sans-cjk',
  },
];

let missing = needs.filter((need) => need.find() === null);
if (missing.length > 0) {
  say('The tests need programs that this machine does not have yet:');
  for (const { name, why } of missing) say(`  - ${name}: ${why}`);
  install(missing);
  missing = needs.filter((need) => need.find() === null);
  if (missing.length > 0) fail(`Still missing after the installation: ${missing.map(({ name }) => name).join(', ')}.`);
}
for (const { name, find } of needs) say(`${name}: ${find()}`);
run('the Prisma client', 'tools/generate.mjs');
run('the pages', 'tools/build-pages.mjs');

/** Installs with apt-get as root; anywhere else prints the one command to run, and ends the program. */
function install(missing) {
  const debian = missing.map((need) => need.debian);
  const isRoot = process.getuid?.() === 0;
  if (findProgram(['apt-get']) === null) {
    if (process.platform !== 'darwin') fail(`Install them with your package manager (Debian: ${debian.join(' ')}).`);
    fail(missing.map((need) => `Run:  brew install ${need.brew}`).join('\n'));
  }
  if (!isRoot) {
    fail(`Run:  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${debian.join(' ')}`);
  }
  say(`Installing with apt-get (a minute or so; nothing is started): ${debian.join(' ')}`);
  withoutStartingDaemons(() => {
    apt(['update', '-q']);
    apt(['install', '-y', '-q', '--no-install-recommends', ...debian]);
  });
}

/** Debian asks this file before it starts a service; 101 means no. The tests start servers of their own, on free ports. */
function withoutStartingDaemons(work) {
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) {
    writeFileSync(policy, '#!/bin/sh\nexit 101\n');
    chmodSync(policy, 0o755);
  }
  try {
    work();
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}

function apt(args) {
  const { status } = spawnSync('apt-get', args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  // Thrown, not exited: the policy file has to be removed first.
  if (status !== 0) throw new Error(`apt-get ${args.join(' ')} ended with ${status}`);
}

/** Path of the first of `names` that can be run: in PATH, then in `folders`. */
function findProgram(names, folders = []) {
  const everywhere = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', ...folders];
  for (const name of names) {
    for (const folder of everywhere) {
      const path = join(folder, name);
      if (folder !== '' && isExecutable(path)) return path;
    }
  }
  return null;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Debian keeps the server's binaries out of PATH, a folder per major version: newest first. */
function postgresFolders() {
  const versions = '/usr/lib/postgresql';
  const debian = existsSync(versions)
    ? readdirSync(versions)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => join(versions, version, 'bin'))
    : [];
  return [...debian, '/opt/homebrew/opt/postgresql@16/bin', '/usr/local/opt/postgresql@16/bin'];
}

/** A font that has Chinese glyphs: asked of fontconfig, else looked for by name. */
function findChineseFont() {
  const listed = spawnSync('fc-list', [':lang=zh', 'file'], { encoding: 'utf8' });
  const [first = ''] = (listed.stdout ?? '').split('\n');
  if (first !== '') return first.replace(/:\s*$/, '');
  const known = /noto.*cjk|source.?han|wqy|pingfang|hiragino|stheiti|songti|msyh|simsun|droidsansfallback/i;
  const folders = [
    '/usr/share/fonts',
    '/usr/local/share/fonts',
    '/System/Library/Fonts',
    '/Library/Fonts',
    join(homedir(), '.local/share/fonts'),
    join(homedir(), 'Library/Fonts'),
  ];
  for (const folder of folders.filter((each) => existsSync(each))) {
    const font = readdirSync(folder, { recursive: true }).find((file) => known.test(String(file)));
    if (font !== undefined) return join(folder, String(font));
  }
  return null;
}

function run(what, script) {
  const { status } = spawnSync(process.execPath, [join(root, script)], { cwd: root, stdio: 'inherit' });
  if (status !== 0) fail(`${script} could not make ${what}; its message is above.`);
}

function say(line) {
  process.stdout.write(`${line}\n`);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
