import { startRedisServer, type TestRedis } from '../../../tests/services/redis-server.ts';

/** Two Redis servers: the primary that nodes are led to, and a replica that may be made primary, however old its copy is. */
export class RedisPair {
  #primary: TestRedis;
  #replica: TestRedis;

  private constructor(primary: TestRedis, replica: TestRedis) {
    this.#primary = primary;
    this.#replica = replica;
  }

  static async start(): Promise<RedisPair> {
    const [primary, replica] = await Promise.all([startRedisServer({ aof: true }), startRedisServer({ aof: true })]);
    const pair = new RedisPair(primary, replica);
    await pair.replicate();
    return pair;
  }

  get primary(): TestRedis {
    return this.#primary;
  }

  get replica(): TestRedis {
    return this.#replica;
  }

  /** From now on the replica's copy grows old: it takes part in nothing. */
  async freeze(): Promise<void> {
    await this.#replica.command('REPLICAOF NO ONE');
  }

  /** The other server is the primary from now on; where nodes are led is the caller's matter. */
  swap(): void {
    [this.#primary, this.#replica] = [this.#replica, this.#primary];
  }

  /** The replica copies the primary again. */
  async replicate(): Promise<void> {
    await this.#replica.command(`REPLICAOF 127.0.0.1 ${this.#primary.port}`);
  }

  async stop(): Promise<void> {
    for (const server of [this.#primary, this.#replica]) server.resume();
    await Promise.all([this.#primary.stop(), this.#replica.stop()]);
  }
}
