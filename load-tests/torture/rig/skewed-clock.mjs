/**
 * Loaded into a node before its program: adds to the node's wall clock what a file says, which is read again ten times a second. A wrong
 * clock of a machine, without touching the machine. Monotonic clocks and timers go on as they are, as on a real machine.
 */
import { readFile } from 'node:fs';

const RealDate = Date;
let skewMs = 0;

class SkewedDate extends RealDate {
  /** @param {ConstructorParameters<typeof Date>} given */
  constructor(...given) {
    if (given.length === 0) super(SkewedDate.now());
    else super(...given);
  }

  static now() {
    return RealDate.now() + skewMs;
  }
}

globalThis.Date = /** @type {DateConstructor} */ (SkewedDate);

const file = process.env['TORTURE_SKEW_FILE'] ?? '';
const look = () =>
  readFile(file, 'utf8', (error, text) => {
    const ms = Number(text);
    if (error === null && Number.isFinite(ms)) skewMs = ms;
  });
if (file !== '') setInterval(look, 100).unref();
