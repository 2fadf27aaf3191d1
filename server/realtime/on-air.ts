import type { ServerEvents } from '../../contract/events.ts';
import type { CurveMarker, CurvePoint, ItemCurve } from '../../contract/pace.ts';

type Payload<Name extends keyof ServerEvents> = Parameters<ServerEvents[Name]>[0];

/**
 * What an event looks like for overlays that viewers see; undefined: nothing of it goes there. Whatever is not named here stays inside:
 * a new event is internal until somebody decides otherwise.
 */
export function eventOnAir<Name extends keyof ServerEvents>(
  event: Name,
  payload: Payload<Name>,
): Payload<Name> | undefined {
  return onAir[event]?.(payload);
}

const onAir: { readonly [Name in keyof ServerEvents]?: (payload: Payload<Name>) => Payload<Name> | undefined } = {
  'curve:points': ({ livestreamId, items }) => ({
    livestreamId,
    items: items.map(({ skuId, points }) => ({ skuId, points: points.map(pointOnAir) })),
  }),
  'curve:marker': ({ livestreamId, marker }) => {
    const shown = markerOnAir(marker);
    return shown === undefined ? undefined : { livestreamId, marker: shown };
  },
};

/** A curve without what is internal: alerts, decisions, tiers, and units left beyond what the item's display policy says. */
export const curveOnAir = ({ skuId, points, band, markers }: ItemCurve): ItemCurve => ({
  skuId,
  points: points.map(pointOnAir),
  band,
  markers: markers.flatMap((marker) => markerOnAir(marker) ?? []),
});

/** Units left on air come as a level, as precisely as viewers may know them: here they are always 0. */
const pointOnAir = ([atMs, consumed]: CurvePoint): CurvePoint => [atMs, consumed, 0];

const markerOnAir = (marker: CurveMarker): CurveMarker | undefined =>
  marker.internal || marker.kind === 'alert' || marker.kind === 'decision' ? undefined : { ...marker, tier: null };
