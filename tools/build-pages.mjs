// Builds public/ into dist/public when the pages are missing or older than what they are made of. Runs before `npm start` and `npm test`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = ['public', 'contract', 'vite.config.ts', 'package.json'].map((each) => join(root, each));
/** Carries the moment at which the last successful build began: what changed during a build is built again. */
const stamp = join(root, 'dist/pages-built');

const builtAtMs = existsSync(join(root, 'dist/public')) && existsSync(stamp) ? statSync(stamp).mtimeMs : 0;
if (Math.max(...sources.map(newestMs)) > builtAtMs) {
  const beganAt = new Date();
  process.stdout.write('Building the pages … ');
  for (const mode of ['production', 'client']) {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(root, 'node_modules/vite/bin/vite.js'), 'build', '--mode', mode, '--logLevel', 'warn'],
      { cwd: root, encoding: 'utf8', env: { ...process.env, NODE_ENV: 'production' } },
    );
    if (status !== 0) {
      process.stdout.write(`failed\n${stdout}${stderr}`);
      process.exit(1);
    }
  }
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
  utimesSync(stamp, beganAt, beganAt);
  process.stdout.write(`done in ${((Date.now() - beganAt.getTime()) / 1_000).toFixed(1)} s\n`);
}

/** Moment of the last change in a file or anywhere in a folder; a folder's own time tells of removed files. 0: not there. */
function newestMs(path) {
  if (!existsSync(path)) return 0;
  const status = statSync(path);
  if (!status.isDirectory()) return status.mtimeMs;
  return Math.max(status.mtimeMs, ...readdirSync(path).map((name) => newestMs(join(path, name))));
}
