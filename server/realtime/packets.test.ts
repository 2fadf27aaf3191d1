import { Decoder, Encoder, type Packet, PacketType } from 'socket.io-parser';
import { expect, test } from 'vitest';
import { itemInfo, livestreamInfo } from '../fanout/fanout-test-kit.ts';
import { JoinedAnswer, packetParser, takeAcks } from './packets.ts';

/** The short cuts of the packet parser beside Socket.IO's own. */

const packetOf = (frame: unknown, livestreamId: unknown = 'show'): string =>
  `2${JSON.stringify(['stock:ack', { livestreamId, frame }])}`;

function decode(chunk: string, takes: boolean) {
  const decoder = new packetParser.Decoder();
  const [taken, decoded]: [unknown[], unknown[]] = [[], []];
  takeAcks({ client: { decoder } } as unknown as Parameters<typeof takeAcks>[0], {
    takeAck(livestreamId, frame) {
      taken.push([livestreamId, frame]);
      return takes;
    },
  });
  decoder.on('decoded', (packet) => void decoded.push(packet.data));
  decoder.add(chunk);
  return { taken, decoded };
}

test('[RT-16] an acknowledgement is taken once: the short way, or, when that refuses it, the ordinary one', () => {
  expect(decode(packetOf(12), true)).toEqual({ taken: [['show', 12]], decoded: [] });
  expect(decode(packetOf(12), false).decoded).toEqual([['stock:ack', { livestreamId: 'show', frame: 12 }]]);
});

test('[RT-16] everything that is not exactly an acknowledgement goes the ordinary way, and what nobody could read is refused there', () => {
  const others = [
    packetOf(-1),
    packetOf(1.5),
    packetOf('1'),
    packetOf(1, 7),
    packetOf(1, 'a:b'),
    packetOf(1, 'x'.repeat(65)),
    packetOf(1).replace('2[', '27['),
    '2["stock:ack",{"frame":1,"livestreamId":"show"}]',
    '2["stock:ack",{"livestreamId":"show","frame":1},1]',
    '2["stock:resync",{"livestreamId":"show","frame":1}]',
  ];
  for (const chunk of others) {
    const plain: unknown[] = [];
    const decoder = new Decoder();
    decoder.on('decoded', (packet) => void plain.push(packet.data));
    decoder.add(chunk);
    expect(plain).toHaveLength(1);
    expect(decode(chunk, true)).toEqual({ taken: [], decoded: plain });
  }
  expect(() => decode('2["stock:ack",{"livestreamId":"show","frame":', true)).toThrow('invalid payload');
});

test('[RT-17] the answer to a join is what Socket.IO makes of it, and its description is encoded once', () => {
  let encodings = 0;
  const livestream = livestreamInfo([itemInfo(0, 'tea'), itemInfo(1, '马克杯')]);
  Object.defineProperty(livestream, 'toJSON', {
    value() {
      encodings += 1;
      return { ...this };
    },
  });
  const ours = new packetParser.Encoder();
  for (const [id, buyerId] of [
    [0, null],
    [77, 'buyer "1"'],
  ] as const) {
    const packet = (answer: object): Packet => ({ type: PacketType.ACK, nsp: '/', id, data: [answer] });
    const [text] = ours.encode(packet(new JoinedAnswer(livestream, buyerId)));
    expect(text).toBe(new Encoder().encode(packet({ ok: true, livestream: { ...livestream }, buyerId }))[0]);
  }
  expect(encodings).toBe(1);
});
