import type { OverlayTokens } from '../auth/overlay-tokens.ts';
import { actorOf, HttpError, type RouteHandlers } from './request.ts';

type OverlayHandlers = Pick<RouteHandlers, 'listOverlays' | 'createOverlay' | 'revokeOverlay'>;

export type OverlayDeps = {
  readonly overlays: OverlayTokens;
  /** Ends the overlay's open connections, on every node. */
  readonly disconnectOverlay: (overlayId: string) => void;
};

export function overlayHandlers({ overlays, disconnectOverlay }: OverlayDeps): OverlayHandlers {
  return {
    listOverlays: async ({ params }) => ({ overlays: [...(await overlays.list(params.livestreamId))] }),
    async createOverlay({ params, body, grant }) {
      const { livestreamId } = params;
      const outcome = await overlays.create(livestreamId, { ...body, actor: actorOf(grant) });
      if (outcome.kind !== 'created') {
        throw outcome.kind === 'not_found'
          ? new HttpError('route_not_found')
          : new HttpError('conflict', { message: tooMany });
      }
      const { overlay, token } = outcome;
      return { overlay, token, url: overlayUrl(livestreamId, overlay.audience, token) };
    },
    async revokeOverlay({ params, grant }) {
      const overlay = await overlays.revoke(params.livestreamId, params.overlayId, actorOf(grant));
      if (overlay === null) throw new HttpError('route_not_found');
      disconnectOverlay(overlay.overlayId);
      return { overlay };
    },
  };
}

/** A path of this server; the token stands in the fragment, which reaches no server and no log. */
const overlayUrl = (livestreamId: string, audience: 'anchor' | 'air', token: string): string =>
  `/anchor/?livestream=${livestreamId}&layout=curve${audience === 'air' ? '&audience=air' : ''}#token=${token}`;

const tooMany = {
  zh: '本场直播的有效叠层已达上限，请先吊销不用的',
  en: 'This livestream has as many valid overlays as it may; revoke those that are not used.',
};
