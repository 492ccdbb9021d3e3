/**
 * Shifts the wall clock of this process, also in its worker threads, by the milliseconds in the file SHIFT_FILE. The
 * file may change at any time: then the clock steps, as when somebody sets it.
 */
import { readFileSync } from 'node:fs';

const LOOK_EVERY_MS = 20;
const RealDate = Date;
const file = process.env.SHIFT_FILE ?? '';
let shift = 0;
let lookedAt = -Infinity;

function now() {
  if (performance.now() - lookedAt > LOOK_EVERY_MS) {
    lookedAt = performance.now();
    shift = Number(readFileSync(file, 'utf8'));
  }
  return RealDate.now() + shift;
}

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: () => new RealDate(now()).toString(),
  get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
});
