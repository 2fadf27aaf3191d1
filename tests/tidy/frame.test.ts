import { posix } from 'node:path';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { exists, expectNone, filesMatching, read } from './project-files.ts';

const Versions = z.record(z.string(), z.string());
const Manifest = z.object({ scripts: Versions, dependencies: Versions, devDependencies: Versions });
const Installed = z.object({ version: z.string(), dependencies: Versions.optional() });

const manifest = () => Manifest.parse(JSON.parse(read('package.json')));
const installed = (name: string) => Installed.parse(JSON.parse(read(`node_modules/${name}/package.json`)));

test('[TD-10] the first screen of the README and CI have the two commands', () => {
  const firstScreen = read('README.md').split('\n').slice(0, 45).join('\n');
  expect(firstScreen).toContain('npm install && npm start');
  expect(firstScreen).toContain('npm install && npm test');
  expect(read('.ci/run')).toMatch(/^\s*npm install && npm test$/m);
  const { scripts } = manifest();
  expect(scripts['test']).toContain('vitest run');
  expect(scripts['start']).toContain('server/main.ts');
});

test('[TD-10] CI runs every check of `npm run check`', () => {
  const steps = manifest().scripts['check']?.match(/npm (run )?[\w:-]+/g) ?? [];
  expect(steps.length).toBeGreaterThanOrEqual(5);
  const ci = read('.ci/run').replaceAll('--silent ', '');
  expectNone(
    steps.filter((step) => !ci.includes(step)),
    'These steps are missing in .ci/run:',
  );
});

test('[TD-11] versions of packages are exact', () => {
  const { dependencies, devDependencies } = manifest();
  const every = Object.entries({ ...dependencies, ...devDependencies });
  expect(every.length).toBeGreaterThan(20);
  const findings = every.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.-]+)?$/.test(version));
  expectNone(
    findings.map(([name, version]) => `${name}: ${version}`),
    'These versions are ranges:',
  );
});

test("[TD-11] Prisma's packages are of one version, and the schema engine is the one that they name", () => {
  const { dependencies } = manifest();
  const names = ['prisma', '@prisma/client', '@prisma/adapter-pg', '@prisma/driver-adapter-utils'];
  expect(new Set(names.map((name) => dependencies[name])).size).toBe(1);
  expect(dependencies['@prisma/schema-engine-wasm']).toBe(
    installed('@prisma/engines').dependencies?.['@prisma/engines-version'],
  );
});

test('[TD-11] the embedded database and its socket fit each other', () => {
  const { peerDependencies } = z
    .object({ peerDependencies: Versions })
    .parse(JSON.parse(read('node_modules/@electric-sql/pglite-socket/package.json')));
  expect(manifest().dependencies['@electric-sql/pglite']).toBe(peerDependencies['@electric-sql/pglite']);
});

test('[TD-12] every link in a Markdown file leads somewhere', () => {
  let seen = 0;
  const findings = filesMatching(/\.md$/, 8).flatMap((path) => {
    const prose = read(path).replace(/^```[^]*?^```/gm, '');
    return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
      if (/^(https?|mailto):/.test(link)) return [];
      seen += 1;
      const [file = '', heading] = link.split('#');
      const target = file === '' ? path : posix.join(posix.dirname(path), file);
      if (!exists(target)) return [`${path}: ${link}`];
      if (heading === undefined) return [];
      return headingsOf(target).includes(decodeURIComponent(heading)) ? [] : [`${path}: ${link}: no such heading`];
    });
  });
  expect(seen).toBeGreaterThan(10);
  expectNone(findings, 'These links are broken:');
});

test('[TD-13] a decision says its context, what was decided and what it costs', () => {
  const findings = filesMatching(/^docs\/decisions\/(?!README)[^/]+\.md$/, 5).flatMap((path) =>
    ['## Context', '## Decision', '## Cost']
      .filter((part) => !read(path).includes(`\n${part}\n`))
      .map((part) => `${path}: ${part}`),
  );
  expectNone(findings, 'These decisions lack a part:');
});

/** Anchors as code hosts make them: lower case, without punctuation, spaces as hyphens. */
function headingsOf(path: string): readonly string[] {
  return [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}
