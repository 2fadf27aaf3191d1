import { defineConfig } from 'prisma/config';

/** For Prisma's command line only (`prisma migrate deploy`); the server brings its own connection. */
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  // oxlint-disable-next-line no-process-env
  datasource: { url: process.env['DATABASE_URL'] ?? '' },
});
