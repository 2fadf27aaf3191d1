import type { Chance } from './chance.ts';
import type { Actor, World } from './world.ts';

/** How often a link misbehaves: probabilities of one call or message. */
export type LinkFaults = {
  /** The request never arrives. */
  readonly lost: number;
  /** It is carried out and its answer never arrives. */
  readonly unanswered: number;
  /** It takes long, on the way there or back, or between its beginning and its commit: others overtake it. */
  readonly slow: number;
  /** It is carried out twice. */
  readonly twice: number;
  /** The server answers with an error and has done nothing: a lock timeout, a deadlock, a full disk. */
  readonly refused: number;
};

export const noFaults: LinkFaults = { lost: 0, unanswered: 0, slow: 0, twice: 0, refused: 0 };

export type Call<Answer> = {
  readonly label: string;
  /** Carried out by the server in one atomic step. Throws: an error reply, nothing has happened. `beganAtMs`: when the request came. */
  readonly serve: (beganAtMs: number) => Answer;
  /** Whether repeating the request is part of the protocol. */
  readonly mayRepeat: boolean;
};

/** A server at the other end. */
export type Server = {
  readonly name: string;
  /** Away: connections to it are refused, and what is under way is cut. */
  isUp(): boolean;
  /** Who is behind it just now; a request that was sent to another one is cut. */
  generation(): number;
};

type Errors = {
  readonly refused: (text: string) => Error;
  readonly neverSent: (text: string) => Error;
  readonly unknown: (text: string) => Error;
};

/** Calls of actors to one server, with everything that can become of a request and of its answer. */
export class CallLink {
  readonly #world: World;
  readonly #chance: Chance;
  readonly #server: Server;
  readonly #timeoutMs: number;
  readonly #errors: Errors;
  faults: LinkFaults = noFaults;

  constructor(parts: { world: World; chance: Chance; server: Server; timeoutMs: number; errors: Errors }) {
    this.#world = parts.world;
    this.#chance = parts.chance;
    this.#server = parts.server;
    this.#timeoutMs = parts.timeoutMs;
    this.#errors = parts.errors;
  }

  call<Answer>(actor: Actor, call: Call<Answer>): Promise<Answer> {
    const [world, chance, server, faults] = [this.#world, this.#chance, this.#server, this.faults];
    const label = `${actor.name} → ${server.name} ${call.label}`;
    if (!server.isUp()) {
      return new Promise((_, reject) => {
        world.schedule(1, actor, label, () => reject(this.#errors.neverSent(`${server.name} is away`)));
      });
    }
    return new Promise((resolve, reject) => {
      const sentAtMs = world.nowMs;
      const fail = (inMs: number, text: string) =>
        world.schedule(inMs, actor, `${label}: ${text}`, () => reject(this.#errors.unknown(text)), 'timer');
      const isLost = chance.happens(faults.lost);
      const thereMs = this.#delayMs();
      const leftMs = (): number => Math.max(0, sentAtMs + this.#timeoutMs - world.nowMs);
      if (isLost) {
        fail(this.#timeoutMs, 'no answer');
        return;
      }
      let isOver = false;
      if (thereMs >= this.#timeoutMs) {
        isOver = true;
        fail(this.#timeoutMs, 'no answer');
      }
      const generation = server.generation();
      const answer = (give: () => void, said: string) => {
        const backMs = chance.happens(faults.unanswered) ? Number.POSITIVE_INFINITY : this.#delayMs();
        if (isOver) return;
        if (backMs >= leftMs()) fail(leftMs(), 'no answer');
        else world.schedule(backMs, actor, `${label}: answer${said}`, give);
      };
      this.#arrive(actor, label, thereMs, () => {
        if (!server.isUp() || server.generation() !== generation) {
          if (!isOver) fail(1, 'cut');
          return;
        }
        this.#serve(call, label, (outcome) => {
          const isDone = 'answer' in outcome;
          const said = world.exactly(isDone ? outcome.answer : outcome.error.message);
          answer(isDone ? () => resolve(outcome.answer) : () => reject(outcome.error), said);
          // What was refused is over: nobody sends it again but its sender.
          if (isDone && call.mayRepeat && chance.happens(faults.twice)) this.#again(call, label, generation);
        });
      });
    });
  }

  #again<Answer>(call: Call<Answer>, label: string, generation: number): void {
    this.#world.schedule(this.#chance.between(0, 400), null, `${label} again`, () => {
      const server = this.#server;
      if (server.isUp() && server.generation() === generation) this.#serve(call, `${label} again`, () => {});
    });
  }

  /** Executes at arrival, or some time after it when the statement is slow. */
  #serve<Answer>(
    call: Call<Answer>,
    label: string,
    then: (outcome: { answer: Answer } | { error: Error }) => void,
  ): void {
    const beganAtMs = this.#world.nowMs;
    const execute = (): void => {
      let outcome: { answer: Answer } | { error: Error };
      try {
        if (this.#chance.happens(this.faults.refused)) throw this.#errors.refused(`${call.label} refused`);
        outcome = { answer: call.serve(beganAtMs) };
        this.#world.tell(() => `${label} = ${text('answer' in outcome ? outcome.answer : '')}`);
      } catch (error) {
        if (!(error instanceof Error) || error.name === 'AssertionError' || error.name === 'TypeError') throw error;
        this.#world.tell(() => `${label} = ${String(error)}`);
        outcome = { error };
      }
      then(outcome);
    };
    if (this.#chance.happens(this.faults.slow / 4)) {
      const server = this.#server;
      const generation = server.generation();
      this.#world.schedule(this.#chance.between(50, 900), null, `${label} commits`, () => {
        if (server.isUp() && server.generation() === generation) execute();
        else then({ error: this.#errors.unknown('cut before it was done') });
      });
    } else execute();
  }

  #arrive(actor: Actor, label: string, delayMs: number, run: () => void): void {
    this.#world.schedule(delayMs, null, label, () => {
      // What a dying process has sent may or may not have left its machine.
      if (actor.alive || this.#chance.happens(0.5)) run();
    });
  }

  #delayMs(): number {
    if (this.#chance.happens(this.faults.slow))
      return this.#chance.between(20, this.#chance.oneOf([400, 1_500, 4_000]));
    return this.#chance.between(0, 3);
  }
}

/** For a trace: short enough to be read. */
export function text(value: unknown): string {
  if (value === undefined) return 'done';
  const json = JSON.stringify(value) ?? typeof value;
  return json.length > 400 ? `${json.slice(0, 400)}…` : json;
}
