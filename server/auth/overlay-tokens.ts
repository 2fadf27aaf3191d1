import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Grant, OverlayAudience } from '../../contract/access.ts';
import type { PrismaClient } from '../../generated/prisma/client.ts';
import type { Clock } from '../lib/clock.ts';

/** A token's record; the token itself is known to whoever asked for it and to nobody else. */
export type Overlay = {
  readonly overlayId: string;
  readonly audience: OverlayAudience;
  readonly name: string;
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number | null;
  readonly revokedAtMs: number | null;
};

export type VerifiedOverlay = { readonly overlayId: string; readonly grant: Grant };

export type NewOverlay = { readonly audience: OverlayAudience; readonly name: string; readonly actor: string };

/**
 * Tokens of overlays: `ovl_` and 256 random bits, of one livestream, read-only, valid until revoked. The database holds their SHA-256
 * only: with that many random bits a slow hash would add nothing.
 */
export type OverlayTokens = {
  /** Newest first, revoked ones too. */
  list(livestreamId: string): Promise<readonly Overlay[]>;
  /** `too_many`: this livestream has as many valid ones as it may. */
  create(
    livestreamId: string,
    overlay: NewOverlay,
  ): Promise<
    | { readonly kind: 'created'; readonly overlay: Overlay; readonly token: string }
    | { readonly kind: 'not_found' | 'too_many' }
  >;
  /** Idempotent: the first moment stays. null: this livestream has no such overlay. */
  revoke(livestreamId: string, overlayId: string, actor: string): Promise<Overlay | null>;
  /** null: not a token of ours, or revoked. Asks the database each time, so that a revocation counts at once. */
  verify(token: string): Promise<VerifiedOverlay | null>;
  /** Those of these overlays that still count; they are in use now. */
  stillValid(overlayIds: readonly string[]): Promise<ReadonlySet<string>>;
};

const prefix = 'ovl_';
const tokenPattern = /^ovl_[A-Za-z0-9_-]{43}$/;
/** Valid overlays of one livestream: more than any show has screens, few enough to read in one list. */
const overlaysMax = 100;
const listedMax = 200;
/** `lastUsedAt` tells people whether a token is in use: a minute's precision costs one write a minute. */
const usedEveryMs = 60_000;

/** By its form alone: says nothing about whether it is valid. */
export const isOverlayToken = (token: string): boolean => token.startsWith(prefix);

export function createOverlayTokens({ prisma, clock }: { prisma: PrismaClient; clock: Clock }): OverlayTokens {
  const noteUse = async (ids: readonly string[]): Promise<void> => {
    const nowMs = clock.now();
    const unused = { OR: [{ lastUsedAt: null }, { lastUsedAt: { lt: new Date(nowMs - usedEveryMs) } }] };
    await prisma.overlayToken.updateMany({
      where: { id: { in: [...ids] }, ...unused },
      data: { lastUsedAt: new Date(nowMs) },
    });
  };

  return {
    async list(livestreamId) {
      const rows = await prisma.overlayToken.findMany({
        where: { livestreamId },
        orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
        take: listedMax,
      });
      return rows.map(overlayOf);
    },
    async create(livestreamId, { audience, name, actor }) {
      if ((await prisma.livestream.count({ where: { id: livestreamId } })) === 0) return { kind: 'not_found' };
      if ((await prisma.overlayToken.count({ where: { livestreamId, revokedAt: null } })) >= overlaysMax) {
        return { kind: 'too_many' };
      }
      const token = `${prefix}${randomBytes(32).toString('base64url')}`;
      const row = await prisma.overlayToken.create({
        data: {
          id: randomUUID(),
          livestreamId,
          audience,
          name,
          tokenHash: hashOf(token),
          createdBy: actor,
          createdAt: new Date(clock.now()),
        },
      });
      return { kind: 'created', overlay: overlayOf(row), token };
    },
    async revoke(livestreamId, overlayId, actor) {
      await prisma.overlayToken.updateMany({
        where: { id: overlayId, livestreamId, revokedAt: null },
        data: { revokedAt: new Date(clock.now()), revokedBy: actor },
      });
      const row = await prisma.overlayToken.findFirst({ where: { id: overlayId, livestreamId } });
      return row === null ? null : overlayOf(row);
    },
    async verify(token) {
      // What cannot be a token does not reach the database.
      if (!tokenPattern.test(token)) return null;
      const row = await prisma.overlayToken.findUnique({ where: { tokenHash: hashOf(token) } });
      if (row === null || row.revokedAt !== null) return null;
      if (row.lastUsedAt === null || clock.now() - row.lastUsedAt.getTime() > usedEveryMs) await noteUse([row.id]);
      const { livestreamId } = row;
      const grant: Grant = { role: 'anchor', livestreamId, buyerId: null, deviceId: null, audience: audienceOf(row) };
      return { overlayId: row.id, grant: Object.freeze(grant) };
    },
    async stillValid(overlayIds) {
      const rows = await prisma.overlayToken.findMany({
        where: { id: { in: [...overlayIds] }, revokedAt: null },
        select: { id: true },
      });
      const ids = rows.map(({ id }) => id);
      await noteUse(ids);
      return new Set(ids);
    },
  };
}

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');

/** The database lets nothing else in; if it did, less is shown. */
const audienceOf = ({ audience }: { audience: string }): OverlayAudience => (audience === 'anchor' ? 'anchor' : 'air');

function overlayOf(row: {
  id: string;
  audience: string;
  name: string;
  createdAt: Date;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
}): Overlay {
  return {
    overlayId: row.id,
    audience: audienceOf(row),
    name: row.name,
    createdAtMs: row.createdAt.getTime(),
    lastUsedAtMs: row.lastUsedAt?.getTime() ?? null,
    revokedAtMs: row.revokedAt?.getTime() ?? null,
  };
}
