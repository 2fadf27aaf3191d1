import type { Grant } from '../../contract/access.ts';
import type { PaceState } from '../../contract/pace.ts';
import { type PaceReader, withoutInternal } from '../pace/curve-reader.ts';
import { actorOf, HttpError, type RouteHandlers } from './request.ts';

type PaceHandlers = Pick<RouteHandlers, 'getPace' | 'getCurves' | 'noteDecision'>;

/** Pace, curves and decisions. Overlays on air get nothing internal. */
export function paceHandlers({ pace }: { readonly pace: PaceReader }): PaceHandlers {
  return {
    async getPace({ params, grant }) {
      const state = await pace.state(params.livestreamId);
      if (state === null) throw new HttpError('route_not_found');
      return isOnAir(grant) ? onAir(state) : state;
    },
    async getCurves({ params, query, grant }) {
      const curves = await pace.curves({ livestreamId: params.livestreamId, ...query });
      if (curves === null) throw new HttpError('route_not_found');
      if (!isOnAir(grant)) return { curves };
      return {
        curves: curves.map(({ skuId, points, band, markers }) => ({
          skuId,
          points,
          band,
          markers: withoutInternal(markers),
        })),
      };
    },
    async noteDecision({ params, body, grant }) {
      const noted = await pace.decide(params.livestreamId, body, actorOf(grant));
      if (noted === null) throw new HttpError('not_found');
      return noted;
    },
  };
}

/** A token of an overlay that viewers see on the picture; without an audience it is the anchor's own screen. */
const isOnAir = (grant: Grant | null): boolean => grant !== null && 'audience' in grant && grant.audience === 'air';

/** How fast and until when: derived from the real pool. What the team thinks and plans stays out. */
function onAir(state: PaceState): PaceState {
  return {
    ...state,
    items: state.items.map((item) => ({ ...item, needUntilEnd: null, state: 'unknown', tier: null })),
    cue: { skuId: null, cue: 'keep', text: { zh: '保持节奏', en: 'Keep the pace' }, sinceMs: 0 },
    slow: [],
    next: [],
  };
}
