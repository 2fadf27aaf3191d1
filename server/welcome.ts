import { accessLink } from './auth/access-link.ts';
import type { RunningServer } from './compose.ts';
import { ConfigError } from './config/config.ts';
import { CannotStart } from './lib/cannot-start.ts';

const linkTtlMs = 7 * 86_400_000;

/** Links that open everything, for whoever has just started the demo; none without a demo. */
export async function accessLinks(server: RunningServer): Promise<string[]> {
  const { url, demoLivestreamId: livestreamId } = server;
  if (livestreamId === null) return [];
  const linkOf = async (role: 'operator' | 'anchor' | 'admin') => {
    const grant = {
      role,
      livestreamId: role === 'admin' ? null : livestreamId,
      buyerId: null,
      deviceId: null,
      audience: null,
    };
    return accessLink(url, grant, await server.issue(grant, linkTtlMs));
  };
  return [
    `  观众 viewer:   ${url}/viewer/?livestream=${livestreamId}`,
    `  主播 anchor:   ${await linkOf('anchor')}`,
    `  运营 operator: ${await linkOf('operator')}`,
    `  管理 admin:    ${await linkOf('admin')}`,
  ];
}

/** Why a start has failed. What its reader can mend needs no stack. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return isForPeople(error) ? error.message : (error.stack ?? error.message);
}

/** Whoever runs it can mend it, and nobody else. */
export const isForPeople = (error: unknown): boolean => error instanceof ConfigError || error instanceof CannotStart;
