import type { ApiClient } from './api-client.ts';

/** What the server says about its own process; null where it does not (no access to /metrics). */
export type ServerUsage = { readonly cpuSeconds: number; readonly residentBytes: number };

/** CPU of the whole process, the embedded database's thread included; a PostgreSQL or Redis beside it is not in it. */
export async function readServerUsage(api: ApiClient, metricsToken?: string): Promise<ServerUsage | null> {
  const reply = await api.send({ method: 'GET', path: '/metrics', token: metricsToken });
  if (reply.status !== 200) return null;
  const cpuSeconds = sampleOf(reply.text, 'stockcast_process_cpu_seconds_total');
  const residentBytes = sampleOf(reply.text, 'stockcast_process_resident_memory_bytes');
  return cpuSeconds === null || residentBytes === null ? null : { cpuSeconds, residentBytes };
}

/** The value of a metric without labels in Prometheus' text format. */
export function sampleOf(text: string, name: string): number | null {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  const value = Number(line?.slice(name.length + 1));
  return line === undefined || Number.isNaN(value) ? null : value;
}
