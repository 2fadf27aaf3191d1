import { Gauge, type Registry } from 'prom-client';
import type { OpenDatabase } from './database.ts';

/** Adds what `/metrics` shows of the database; once per registry. */
export function showDatabase(database: Pick<OpenDatabase, 'state' | 'waiting'>, registry: Registry): void {
  const registers = [registry];
  const show = (name: string, help: string, value: () => number) => {
    const gauge: Gauge = new Gauge({ name, help, registers, collect: () => gauge.set(value()) });
  };
  show('stockcast_database_waiting', 'Statements that wait for a connection', () => database.waiting());
  show('stockcast_database_ready', 'PostgreSQL: 1 if it answers and takes writes', () =>
    Number(database.state() === 'ok'),
  );
}
