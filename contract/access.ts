import * as z from 'zod/mini';
import { Id } from './primitives.ts';

/**
 * viewer: reads public levels, orders for one buyer · anchor: reads full levels of one livestream · operator: manages one livestream ·
 * admin: everything · service: a shop's systems (products, stock, channel sales, tokens for its buyers).
 */
export const Role = z.enum(['viewer', 'anchor', 'operator', 'admin', 'service']);
export type Role = z.infer<typeof Role>;

/** anchor: the anchor's own screen · air: an overlay on the picture that viewers see. */
export const OverlayAudience = z.enum(['anchor', 'air']);
export type OverlayAudience = z.infer<typeof OverlayAudience>;

/** What a token says. `livestreamId` is null for admin and service only: a token of one livestream does nothing in another (I8). */
export const Grant = z.object({
  role: Role,
  livestreamId: z.nullable(Id),
  buyerId: z.nullable(Id),
  deviceId: z.nullable(Id),
  /** Of an overlay's token, else absent or null. air: what viewers may see and nothing internal, although the role is anchor. */
  audience: z.optional(z.nullable(OverlayAudience)),
});
export type Grant = z.infer<typeof Grant>;

/** Exchanges a link's token for an httpOnly cookie, or asks for an anonymous viewer's one. */
export const OpenSession = z.union([
  z.strictObject({ token: z.string().check(z.minLength(1), z.maxLength(2_000)) }),
  z.strictObject({ livestreamId: Id, anonymous: z.literal(true) }),
]);
export const SessionAnswer = z.object({ role: Role, livestreamId: z.nullable(Id), buyerId: z.nullable(Id) });

/** A shop's backend asks for a token of one of its buyers. */
export const IssueToken = z.object({
  role: z.enum(['viewer', 'anchor', 'operator']),
  buyerId: z.optional(Id),
  deviceId: z.optional(Id),
  ttlMs: z._default(z.int().check(z.minimum(60_000), z.maximum(2_592_000_000)), 86_400_000),
});
