import { expect, test } from 'vitest';
import { type Import, importsOf } from './imports.ts';
import { exists, expectNone, filesMatching, isTest } from './project-files.ts';

/** Domains: each owns its rules, and shows others its interface files only. */
const domains: Readonly<Record<string, readonly string[]>> = {
  stock: ['stock-engine.ts'],
  orders: ['order-ledger.ts', 'order-service.ts'],
  livestreams: ['livestream-catalogue.ts'],
  auth: ['access-control.ts'],
  fanout: ['rooms.ts', 'audience.ts'],
  alerts: ['alert-desk.ts', 'level-watch.ts'],
  notify: ['notifier.ts'],
  pace: ['curve-markers.ts'],
};

const foundation = ['contract', 'server/lib'];
const platform = ['server/config', 'server/redis', 'server/db', 'server/metrics', 'server/private-servers'];
const domainFolders = Object.keys(domains).map((name) => `server/${name}`);
const rims = ['server/http', 'server/realtime'];
const composition = ['server/compose', 'server/main.ts', 'server/cluster', 'server/open-gate.ts', 'server/welcome.ts'];

/** Who may import what, beside itself and packages. The composition and the tests may import everything and are imported by nobody. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  'server/lib': ['contract'],
  ...table(platform, [...foundation, ...platform, 'generated']),
  ...table(domainFolders, [...foundation, ...platform, ...domainFolders, 'generated']),
  ...table(rims, [...foundation, ...platform, ...domainFolders, ...rims]),
  public: ['contract'],
  // Servers under measurement, processes of their own: ours is wired as the product wires it.
  'load-tests/ours': [...foundation, 'server', 'load-tests'],
  'load-tests/rivals': ['load-tests', 'generated'],
  'load-tests': ['contract', 'public/lib', 'tests/services'],
};

/** Exceptions: `from → target`, with the reason. One that is not needed any more fails. */
const exceptions: Readonly<Record<string, string>> = {};

const unitOf = (path: string): string | undefined =>
  Object.keys(mayImport).find((unit) => path === unit || path.startsWith(`${unit}/`));
const within = (path: string, unit: string): boolean => path === unit || path.startsWith(`${unit}/`);

test('[TD-1] modules import in the direction of the table only', () => {
  const imports = localImports();
  const findings = imports.flatMap(({ from, target }) => {
    const unit = unitOf(from);
    if (unit === undefined || within(target, unit) || `${from} → ${target}` in exceptions) return [];
    return mayImport[unit]?.some((allowed) => within(target, allowed)) ? [] : [`${from} → ${target}`];
  });
  expectNone(findings, 'These imports go against the direction of ARCHITECTURE.md:');
  const edges = new Set(imports.map(({ from, target }) => `${from} → ${target}`));
  expectNone(
    Object.keys(exceptions).filter((edge) => !edges.has(edge)),
    'These exceptions are not needed any more:',
  );
});

test('[TD-1] every file of the server has its place in the table', () => {
  const placed = [...Object.keys(mayImport), ...composition];
  const findings = filesMatching(/^server\/.*\.ts$/, 20).filter(
    (path) => !placed.some((unit) => within(path, unit) || path.startsWith(`${unit}.`) || path.startsWith(`${unit}-`)),
  );
  expectNone(findings, 'These files belong to no row of the table in this test:');
});

test('[TD-1] every relative import leads to a file', () => {
  const findings = localImports(true)
    .filter(({ target }) => !target.startsWith('generated/') && !exists(target.replace(/\?.*$/, '')))
    .map(({ from, specifier }) => `${from}: ${specifier}`);
  expectNone(findings, 'These imports lead nowhere:');
});

test('[TD-2] of another domain, a domain imports its interface files only', () => {
  let seen = 0;
  const findings = localImports().flatMap(({ from, target }) => {
    const [, ownDomain = ''] = /^server\/([^/]+)\//.exec(from) ?? [];
    const [, domain = '', file = ''] = /^server\/([^/]+)\/(.+)$/.exec(target) ?? [];
    const interfaces = domains[domain];
    if (!(ownDomain in domains) || interfaces === undefined || domain === ownDomain) return [];
    seen += 1;
    return interfaces.includes(file) ? [] : [`${from} → ${target}`];
  });
  expect(seen, 'imports between domains').toBeGreaterThan(0);
  expectNone(findings, 'These imports reach behind the interface of another domain:');
});

/** Imports of project files by files that are part of the program; of every file with `testsToo`. */
function localImports(testsToo = false): readonly Import[] {
  const files = filesMatching(/^(contract|server|public|load-tests)\/.*\.(ts|tsx)$/, 20);
  const imports = files
    .filter((path) => testsToo || !isTest(path))
    .flatMap((path) => importsOf(path))
    .filter(({ specifier }) => specifier.startsWith('.'));
  expect(imports.length, 'local imports').toBeGreaterThan(20);
  return imports;
}

function table(units: readonly string[], allowed: readonly string[]): Record<string, readonly string[]> {
  return Object.fromEntries(units.map((unit) => [unit, allowed]));
}
