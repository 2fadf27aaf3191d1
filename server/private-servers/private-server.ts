import type { KeptProcess } from './kept-process.ts';

/** Where a private server lives: decided once and remembered, so that a second start finds the same. */
export type ServerPlace = {
  readonly folder: string;
  readonly port: number;
  readonly password: string;
  /** As $PATH: where programs are looked for. */
  readonly searchPath: string;
};

export type PrivateServer = {
  /** With its password: never log it. */
  readonly url: string;
  /** As `127.0.0.1:6379`, for people. */
  readonly address: string;
  readonly folder: string;
  readonly program: string;
  readonly process: KeptProcess;
};
