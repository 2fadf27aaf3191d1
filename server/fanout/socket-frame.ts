/**
 * One server's text frame (RFC 6455, not masked) that holds a Socket.IO event packet of the main namespace as Engine.IO sends it over a
 * WebSocket: `42["event",payload]`. Header and payload in one buffer, so that one write sends it. The payload must hold no binary.
 */
export function socketFrame(event: string, payload: object): Buffer {
  const text = `42${JSON.stringify([event, payload])}`;
  const length = Buffer.byteLength(text);
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  // Not from Node's shared pool: a socket that is slow would keep its whole page alive.
  const frame = Buffer.allocUnsafeSlow(head + length);
  frame[0] = finalTextFrame;
  if (head === 2) frame[1] = length;
  else if (head === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(text, head);
  return frame;
}

const finalTextFrame = 0x81;
