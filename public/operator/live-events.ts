import type { Alert } from '../../contract/alerts.ts';
import type { CurveMarker, CurvePoints, PaceState } from '../../contract/pace.ts';
import type { ClientOptions } from '../lib/client-state.ts';
import { openSocket, type StockSocket } from '../lib/stock-socket.ts';

const ignore = (): void => undefined;

/** What the socket brings beside levels. Set what is wanted; what is not set is ignored. */
export class LiveEvents {
  onAlert: (alert: Alert) => void = ignore;
  onPace: (pace: PaceState) => void = ignore;
  onPoints: (points: CurvePoints) => void = ignore;
  onMarker: (change: { livestreamId: string; marker: CurveMarker }) => void = ignore;
  /** When the last frame or heartbeat came, by the page's own steady clock in ms; null before the first. */
  heardAtMs: number | null = null;

  /** For `ClientOptions`: the client's own socket, listened to before it connects, so that nothing is missed. */
  readonly openSocket = (options: ClientOptions): StockSocket => {
    const socket = openSocket(options);
    const heard = (): void => {
      this.heardAtMs = performance.now();
    };
    socket.on('stock:levels', heard);
    socket.on('stock:heartbeat', heard);
    socket.on('stock:snapshot', heard);
    socket.on('alert:state', (alert) => this.onAlert(alert));
    socket.on('pace:state', (pace) => this.onPace(pace));
    socket.on('curve:points', (points) => this.onPoints(points));
    socket.on('curve:marker', (change) => this.onMarker(change));
    return socket;
  };
}
