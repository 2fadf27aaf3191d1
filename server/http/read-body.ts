import type { IncomingMessage } from 'node:http';
import { HttpError } from './request.ts';

/**
 * A small JSON body, parsed; an empty one is `undefined`. Throws `payload_too_large` above `limitBytes`, and `bad_request` for what is not
 * JSON, ends early, is compressed (nothing this small needs to be, and a bomb would fit), or takes longer than `timeoutMs`.
 */
export async function readBody(req: IncomingMessage, limitBytes: number, timeoutMs: number): Promise<unknown> {
  const encoding = req.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') throw new HttpError('unsupported_media_type');
  if (Number(req.headers['content-length'] ?? 0) > limitBytes) throw new HttpError('payload_too_large');
  const bytes = await collect(req, limitBytes, timeoutMs);
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw unusable('the body is not valid JSON');
  }
}

const unusable = (message: string): HttpError => new HttpError('bad_request', { issues: [{ path: '', message }] });

function collect(req: IncomingMessage, limitBytes: number, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (finish: () => void): void => {
      clearTimeout(timer);
      req.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      finish();
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      chunks.push(chunk);
      if (length > limitBytes) settle(() => reject(new HttpError('payload_too_large')));
    };
    const onEnd = (): void =>
      settle(() => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    const onClose = (): void => settle(() => reject(unusable('the body ended early')));
    const timer = setTimeout(() => settle(() => reject(unusable('the body took too long to arrive'))), timeoutMs);
    req.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}
