import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { codeOf, expectNone, filesMatching, isTest, linesMatching, read, sourceFiles } from './project-files.ts';

const LINES_MAX = 400;

/** Longer files, and why they stay whole. */
const longFiles: Readonly<Record<string, string>> = {
  'contract/routes.ts':
    'one table of every route; a reader wants it in one place, and nothing in it depends on its neighbours',
};

/** Folders whose files decide something about stock, orders or levels. */
const domainFile =
  /^server\/(?!config\/|lib\/|redis\/|db\/|metrics\/|private-servers\/|cluster\/|http\/|realtime\/)[^/]+\/.*\.ts$/;

/** Domain files that touch the machine's clock, a timer or chance themselves, and why that is right there. An unused line fails. */
const clockExceptions: Readonly<Record<string, string>> = {
  'server/orders/prisma-ledger.ts':
    'pauses between two attempts after a deadlock; the chance in it is a parameter with this default',
};

/** Files that may read the environment, and why. */
const environmentReaders: Readonly<Record<string, string>> = {
  'server/main.ts': 'hands the environment to the parser',
  'server/cluster.ts': 'tells the number of workers apart and passes the environment on to them',
  'prisma.config.ts': "for Prisma's own command line, which has no other way in",
  'tests/no-process-left.ts': 'marks the processes that the tests start',
};

test('[TD-5] file names are kebab-case', () => {
  const findings = filesMatching(/^(contract|server|public|load-tests|tests|tools|docs|prisma)\//, 30).filter(
    (path) =>
      !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9-]+)*$/.test(basename(path)) &&
      !/^(README\.md|\.gitkeep)$/.test(basename(path)) &&
      // Prisma names its folders of migrations with underscores, and its lock file too.
      !path.startsWith('prisma/migrations/'),
  );
  expectNone(findings, 'These names are not kebab-case:');
});

test('[TD-5] no file of code has more than 400 lines, but for the exceptions', () => {
  const files = filesMatching(
    /^(contract|server|public|load-tests|tests|tools|prisma)\/.*\.(ts|tsx|mjs|lua|sql|html)$/,
    30,
  );
  const findings = files.flatMap((path) => {
    const lines = read(path).trimEnd().split('\n').length;
    return lines > LINES_MAX && !(path in longFiles) && !path.startsWith('prisma/migrations/')
      ? [`${path}: ${lines}`]
      : [];
  });
  expectNone(findings, 'These files should be two:');
});

test('[TD-6] nothing but a configuration file has a default export', () => {
  const findings = sourceFiles().flatMap((path) => linesMatching(path, /^export default\b|\bas default\b/));
  expectNone(findings, 'These exports have no name:');
});

test('[TD-7] domain code takes time, chance and timers as parameters', () => {
  const impure = /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bperformance\.now\b|\bset(Timeout|Interval)\b/;
  const lines = filesMatching(domainFile, 10)
    .filter((path) => !isTest(path))
    .flatMap((path) => linesMatching(path, impure));
  const excepted = (line: string) => Object.keys(clockExceptions).find((path) => line.startsWith(`${path}:`));
  expectNone(
    lines.filter((line) => excepted(line) === undefined),
    'These lines read the clock, draw lots or start a timer themselves (take a Clock, use runPeriodically, or give a reason in this test):',
  );
  const used = new Set(lines.map(excepted));
  expectNone(
    Object.keys(clockExceptions).filter((path) => !used.has(path)),
    'These exceptions are not needed any more:',
  );
});

test('[TD-8] the environment is read in one place of the server', () => {
  const readers = filesMatching(/^(contract|server|public|tests|[^/]+$).*\.(ts|tsx)$|^[^/]+\.ts$/, 30).filter((path) =>
    /\bprocess\.env\b|\bimport\b[^;]*\benv\b[^;]*from 'node:process'/.test(codeOf(read(path))),
  );
  expect(readers.length).toBeGreaterThan(0);
  const findings = readers.filter((path) => !(path in environmentReaders) && !isTest(path));
  expectNone(findings, 'These files read the environment; ask server/config instead:');
});

test('[TD-9] project text names no folder of a machine, no package registry and no unfinished work', () => {
  const foreign: readonly (readonly [RegExp, string])[] = [
    [/(?<![\w.~/-])\/(work|home|root|Users|mnt)\/[a-z]/, "a folder of somebody's machine"],
    [/(?<!\w)(~\/|\/tmp\/)[a-z]/, 'a folder outside the project'],
    [/registry\.npm|npmmirror|artifactory|jfrog/i, 'a package registry'],
    [/\b(TODO|FIXME|XXX|HACK)\b/, 'unfinished work'],
  ];
  const text = /\.(ts|tsx|mjs|js|lua|sql|prisma|md|json|css|html|yml|yaml|sh)$|^\.ci\/run$|^\.env\.example$/;
  const findings = filesMatching(text, 50)
    // The lock file says where packages came from; this file names what it looks for.
    .filter((path) => path !== 'package-lock.json' && path !== 'tests/tidy/shape.test.ts')
    .flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line, index) =>
          foreign.flatMap(([pattern, what]) =>
            pattern.test(line) ? [`${path}:${index + 1}: ${what}: ${line.trim()}`] : [],
          ),
        ),
    );
  expectNone(findings, 'These lines do not belong into the project:');
});

test('[TD-14] no test is skipped, marked as to do, or run alone', () => {
  const files = filesMatching(/\.(test|contract)\.tsx?$/);
  const findings = files.flatMap((path) =>
    linesMatching(path, /(?<![\w.'"`])(test|it|describe|suite)\s*\.\s*(skip|skipIf|runIf|only|todo|fails)\b/),
  );
  expectNone(findings, 'These tests do not run, or keep others from running:');
});
