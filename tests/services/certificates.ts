import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Files in PEM form. */
export type Certificate = { readonly certificate: string; readonly key: string };

/** A certificate for this machine that nobody trusts who was not given it, valid for a day, in a folder that the caller removes. */
export async function makeCertificate(directory: string): Promise<Certificate> {
  const [certificate, key] = [join(directory, 'certificate.pem'), join(directory, 'key.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const names = ['-subj', '/CN=tests', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  const files = ['-out', certificate, '-keyout', key];
  await promisify(execFile)('openssl', ['req', '-x509', ...curve, '-nodes', '-days', '1', ...names, ...files]);
  return { certificate, key };
}
