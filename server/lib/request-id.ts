import { randomBytes } from 'node:crypto';

/** Names requests for logs and error answers: unique per process by its random start, then counted, so that it costs nothing. */
export function createRequestIds(start: string = randomBytes(5).toString('hex')): () => string {
  let count = 0;
  return () => {
    count += 1;
    return `${start}-${count.toString(36)}`;
  };
}
