// npm run access -- --role operator --livestream demo [--buyer b] [--device d] [--days 1] [--token]
// Prints a link (or only the token) for someone, signed with the same secret as the server in this folder.
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { type Grant, Role } from '../contract/access.ts';
import { Id } from '../contract/primitives.ts';
import { accessLink } from '../server/auth/access-link.ts';
import { createAccessControl } from '../server/auth/token-access-control.ts';
import { ConfigError, parseConfig } from '../server/config/config.ts';
import { resolveSecrets } from '../server/config/local-secrets.ts';
import { systemClock } from '../server/lib/clock.ts';

const usage =
  'npm run access -- --role viewer|anchor|operator|admin|service [--livestream demo] [--buyer b-1] [--device d-1] [--days 1] [--token]';

const Options = z.object({
  role: Role,
  livestream: z.optional(Id),
  buyer: z.optional(Id),
  device: z.optional(Id),
  days: z.coerce.number().positive().max(3_650).default(1),
  token: z.boolean().default(false),
});

try {
  const { values } = parseArgs({
    options: {
      role: { type: 'string' },
      livestream: { type: 'string' },
      buyer: { type: 'string' },
      device: { type: 'string' },
      days: { type: 'string' },
      token: { type: 'boolean' },
    },
  });
  const options = Options.parse(values);
  const config = parseConfig(process.env);
  const { sessionSecret } = await resolveSecrets(config);
  const access = createAccessControl({ secret: sessionSecret, secureCookies: false, clock: systemClock });
  const grant: Grant = {
    role: options.role,
    livestreamId: options.livestream ?? null,
    buyerId: options.buyer ?? null,
    deviceId: options.device ?? null,
  };
  const token = await access.issue(grant, options.days * 86_400_000);
  const origin = config.publicUrl ?? `http://localhost:${config.port}`;
  process.stdout.write(options.token ? `${token}\n` : `${accessLink(origin, grant, token)}\n`);
} catch (error) {
  process.stderr.write(`${reasonOf(error)}\n`);
  process.exitCode = 1;
}

function reasonOf(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof z.core.$ZodError) {
    return `${z.prettifyError(error)}\nviewer, anchor and operator need --livestream; admin and service have none.\n${usage}`;
  }
  return `${error instanceof Error ? error.message : String(error)}\n${usage}`;
}
