import type { CurveMarker } from '../../contract/pace.ts';

/** Events on the curve. Never rejects: a marker that cannot be stored is reported and the sale goes on. */
export type CurveMarkers = {
  add(livestreamId: string, marker: CurveMarker): Promise<void>;
};
