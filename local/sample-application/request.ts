import type { Request } from 'express';

/** The body as JSON; undefined when it is none. */
export function parse(request: Request): unknown {
  try {
    return JSON.parse(String(request.body)) as unknown;
  } catch {
    return undefined;
  }
}
