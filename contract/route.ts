import type * as z from 'zod/mini';
import type { ErrorCode } from './errors.ts';
import type { Text } from './primitives.ts';

/**
 * What a token must permit. open: nobody is asked · watch: any role of the livestream · watch_full: anchor, operator, admin, service ·
 * watch_curves: the same, and overlays on air, which get what may be seen there ·
 * order: a viewer with a buyer's identity · manage: operator of the livestream, admin · supply: service, admin (no livestream) ·
 * signed: the payment provider's signature.
 */
export type RouteAccess = 'open' | 'watch' | 'watch_full' | 'watch_curves' | 'order' | 'manage' | 'supply' | 'signed';

export type Route = {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** Express form, below `/api/v1`. */
  readonly path: string;
  readonly tag:
    | 'access'
    | 'livestreams'
    | 'items'
    | 'orders'
    | 'payments'
    | 'stock'
    | 'alerts'
    | 'plans'
    | 'pace'
    | 'people';
  readonly access: RouteAccess;
  readonly summary: Text;
  readonly body?: z.ZodMiniType;
  readonly query?: z.ZodMiniType;
  readonly status: number;
  readonly answer: z.ZodMiniType;
  /** Beside those that any route may give. */
  readonly errors: readonly ErrorCode[];
};

/** Keeps the literal types of a route. */
export const route = <const R extends Route>(definition: R): R => definition;
