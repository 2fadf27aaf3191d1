import { describe, expect, test } from 'vitest';
import { FrameAcks } from './frame-acks.ts';

describe('acknowledgement of frames', () => {
  test('[VW-4] every sixteenth frame is acknowledged at once', () => {
    const acks = new FrameAcks();
    const sent = Array.from({ length: 40 }, (_, index) => acks.worked(101 + index, 0)).filter(
      (frame) => frame !== null,
    );
    expect(sent).toEqual([116, 132]);
  });

  test('[VW-4] fewer frames are acknowledged a second after the first of them', () => {
    const acks = new FrameAcks();
    acks.worked(1, 5_000);
    acks.worked(2, 5_900);
    expect(acks.due(5_999)).toBeNull();
    expect(acks.due(6_000)).toBe(2);
    expect(acks.due(9_000)).toBeNull();
  });

  test('[VW-4] without traffic nothing is acknowledged, and another connection starts anew', () => {
    const acks = new FrameAcks();
    expect(acks.due(10_000)).toBeNull();
    acks.worked(900, 10_000);
    acks.reset();
    expect(acks.due(20_000)).toBeNull();
  });
});
