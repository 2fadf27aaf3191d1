// Generates the Prisma client. Runs on install and does nothing when the client is newer than the schema.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const schema = join(root, 'prisma/schema.prisma');
const client = join(root, 'generated/prisma/client.ts');

if (!existsSync(client) || statSync(client).mtimeMs < statSync(schema).mtimeMs) {
  // `prisma generate` downloads a schema engine that it does not use; naming any program in its place keeps the install offline.
  const environment = { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, ...process.env };
  const prisma = join(root, 'node_modules/prisma/build/index.js');
  const { status } = spawnSync(process.execPath, [prisma, 'generate'], {
    cwd: root,
    env: environment,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  process.exit(status ?? 1);
}
