import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';

/** Path of the first of `names` that can be run: in `searchPath` (as $PATH), in the usual folders of servers, then in `folders`. */
export function findProgram(
  names: readonly string[],
  searchPath: string,
  folders: readonly string[] = [],
): string | null {
  const everywhere = [...searchPath.split(delimiter), '/usr/local/bin', '/usr/sbin', '/sbin', ...folders];
  for (const name of names) {
    for (const folder of everywhere) {
      const path = join(folder, name);
      if (folder !== '' && isExecutable(path)) return path;
    }
  }
  return null;
}

/**
 * The folder of the newest PostgreSQL server's binaries, or of that of one major version: a data folder can only be opened by the version
 * that made it. Debian keeps them out of $PATH, a folder per major version; so does Homebrew.
 */
export function findPostgresFolder(searchPath: string, major: number | null = null): string | null {
  const versions = [...versionsIn('/usr/lib/postgresql'), ...homebrew.flatMap(({ opt }) => kegsIn(opt))]
    .filter(({ version }) => major === null || version === major)
    .toSorted((a, b) => b.version - a.version);
  const folders = [
    ...versions.map(({ folder }) => folder),
    ...(major === null ? searchPath.split(delimiter).filter((folder) => folder !== '') : []),
  ];
  return folders.find((folder) => ['initdb', 'postgres'].every((name) => isExecutable(join(folder, name)))) ?? null;
}

const homebrew = [{ opt: '/opt/homebrew/opt' }, { opt: '/usr/local/opt' }];

function versionsIn(debian: string): { version: number; folder: string }[] {
  if (!existsSync(debian)) return [];
  return readdirSync(debian)
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ version: Number(name), folder: join(debian, name, 'bin') }));
}

function kegsIn(opt: string): { version: number; folder: string }[] {
  if (!existsSync(opt)) return [];
  return readdirSync(opt).flatMap((name) => {
    const version = /^postgresql@(\d+)$/.exec(name)?.[1];
    return version === undefined ? [] : [{ version: Number(version), folder: join(opt, name, 'bin') }];
  });
}

export type Identity = { readonly uid: number; readonly gid: number };

/** The user as whom PostgreSQL runs where we are root, which it refuses; null: there is no such user. */
export function postgresUser(): Identity | null {
  const line = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  return line === null ? null : { uid: Number(line[1]), gid: Number(line[2]) };
}

/** A port of the loopback address that nobody listens on: `wished`, if that is free. */
export async function freePort(wished = 0): Promise<number> {
  return (await tryPort(wished)) ?? (await tryPort(0)) ?? Promise.reject(new Error('no port of 127.0.0.1 is free'));
}

function tryPort(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(null));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : null));
    });
  });
}

/** A file that may be run; false too where there is none. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
