import { type PaceReader } from '../pace/curve-reader.ts';
import { curveOnAir } from '../realtime/on-air.ts';
import { actorOf, HttpError, type RouteHandlers } from './request.ts';

type PaceHandlers = Pick<RouteHandlers, 'getPace' | 'getCurves' | 'noteDecision'>;

/** Pace, curves and decisions. */
export function paceHandlers({ pace }: { readonly pace: PaceReader }): PaceHandlers {
  return {
    async getPace({ params }) {
      const state = await pace.state(params.livestreamId);
      if (state === null) throw new HttpError('route_not_found');
      return state;
    },
    async getCurves({ params, query, grant }) {
      const curves = await pace.curves({ livestreamId: params.livestreamId, ...query });
      if (curves === null) throw new HttpError('route_not_found');
      return { curves: grant?.audience === 'air' ? curves.map(curveOnAir) : curves };
    },
    async noteDecision({ params, body, grant }) {
      const noted = await pace.decide(params.livestreamId, body, actorOf(grant));
      if (noted === null) throw new HttpError('not_found');
      return noted;
    },
  };
}
