import { Presets, SingleBar } from 'cli-progress';
import type { Outcomes } from './run.ts';

export type Progress = { step(done: number, outcomes: Outcomes): void; stop(): void };

/** A bar on a terminal, else a line every five seconds: logs stay readable. */
export function showProgress(total: number, stream: NodeJS.WriteStream, now: () => number): Progress {
  if (!stream.isTTY) return plainProgress(total, stream, now);
  const bar = new SingleBar(
    { format: '  {bar} {percentage}% · {value}/{total} · {outcomes}', stream, hideCursor: true, fps: 10 },
    Presets.shades_classic,
  );
  bar.start(total, 0, { outcomes: '' });
  return {
    step: (done, outcomes) => bar.update(done, { outcomes: countsOf(outcomes) }),
    stop: () => bar.stop(),
  };
}

function plainProgress(total: number, stream: NodeJS.WriteStream, now: () => number): Progress {
  let shownAtMs = now();
  return {
    step: (done, outcomes) => {
      if (now() - shownAtMs < 5_000) return;
      shownAtMs = now();
      stream.write(`  ${done}/${total} · ${countsOf(outcomes)}\n`);
    },
    stop: () => {},
  };
}

const countsOf = ({ orders }: Outcomes): string =>
  [...orders].map(([outcome, count]) => `${outcome} ${count}`).join(' · ');
