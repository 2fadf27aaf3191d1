import type { Socket } from 'socket.io';
import { Decoder, Encoder, type Packet, PacketType } from 'socket.io-parser';
import type { LivestreamInfo } from '../../contract/livestreams.ts';

/** Takes an acknowledgement of a frame; false: it has to go the ordinary way. */
export type AckTaker = { takeAck(livestreamId: string, frame: number): boolean };

/** Exactly what JSON.stringify makes of the contract's `stock:ack` that asks for no answer. Everything else is parsed as usual. */
const ackPacket = /^2\["stock:ack",\{"livestreamId":"([\w.-]{1,64})","frame":(\d{1,15})\}\]$/;

/** The most frequent packet of clients, taken without events, promises or schemas: it comes once in 16 frames from everybody. */
class AckDecoder extends Decoder {
  acks: AckTaker | null = null;

  override add(chunk: unknown): void {
    if (this.acks !== null && typeof chunk === 'string' && chunk.startsWith('2["stock:ack",')) {
      const [, livestreamId, frame] = ackPacket.exec(chunk) ?? [];
      if (livestreamId !== undefined && this.acks.takeAck(livestreamId, Number(frame))) return;
    }
    super.add(chunk);
  }
}

/** The answer to a join. The description of the livestream is by far its largest part, and the same for everybody. */
export class JoinedAnswer {
  readonly ok = true;
  readonly livestream: LivestreamInfo;
  readonly buyerId: string | null;

  constructor(livestream: LivestreamInfo, buyerId: string | null) {
    this.livestream = livestream;
    this.buyerId = buyerId;
  }
}

/** Encodes each description once, however many join. */
class AnswerEncoder extends Encoder {
  readonly #texts = new WeakMap<LivestreamInfo, string>();

  override encode(packet: Packet): unknown[] {
    const answer: unknown = packet.type === PacketType.ACK ? (packet.data as unknown[])[0] : undefined;
    if (!(answer instanceof JoinedAnswer) || packet.nsp !== '/') return super.encode(packet);
    const { livestream, buyerId } = answer;
    let text = this.#texts.get(livestream);
    if (text === undefined) {
      text = JSON.stringify(livestream);
      this.#texts.set(livestream, text);
    }
    return [`${PacketType.ACK}${packet.id}[{"ok":true,"livestream":${text},"buyerId":${JSON.stringify(buyerId)}}]`];
  }
}

/** Socket.IO's own packets, made and read by its own parser but for these two short cuts. */
export const packetParser = { Encoder: AnswerEncoder, Decoder: AckDecoder };

/** From now on this socket's acknowledgements of frames go to `acks` at once. */
export function takeAcks(socket: Pick<Socket, 'client'>, acks: AckTaker): void {
  const decoder: unknown = Reflect.get(socket.client, 'decoder');
  if (decoder instanceof AckDecoder) decoder.acks = acks;
}
