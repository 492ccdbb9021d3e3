import type { Express, Request, Response } from 'express';
import { z } from 'zod';
import type { Entry } from './log.js';
import { parse } from './request.js';
import { passes, PRODUCTION, writes, type Sample } from './sample.js';
import { isSigned } from './webhooks.js';

/** Answers that are remembered for the error rate. */
const REMEMBERED = 100_000;
/** When to come back while traffic is stopped: nobody knows until when. */
const RETRY_SECONDS = 60;

const Order = z.strictObject({
  customerId: z.number().int().min(1).max(2_147_483_647),
  amountCents: z.number().int().min(1).max(100_000_000),
});
const Id = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER);

/** What users and vendors reach: everything here can be switched off by a verb. */
export function userRoutes(app: Express, sample: Sample): void {
  const { log } = sample;

  const finish = (response: Response, status: number, body: object): void => {
    sample.served.push({ at: Date.now(), failed: status >= 500 });
    if (sample.served.length > REMEMBERED) sample.served.shift();
    response.status(status).json(body);
  };
  const note = (request: Request, entry: Omit<Entry, 'at' | 'account' | 'fingerprint'>): void => {
    const account = request.get('x-account');
    const fingerprint = request.get('x-key-fingerprint');
    log.write({
      ...entry,
      ...(fingerprint !== undefined && { fingerprint }),
      // Ids only: the log is evidence that people pass on.
      ...(account !== undefined && /^[A-Za-z0-9-]{1,50}$/.test(account) && { account }),
    });
  };

  app.get('/health/:check', async (request, response) => {
    const { check } = request.params;
    const asked = request.query['environment'];
    const environment = typeof asked === 'string' ? asked : PRODUCTION;
    const passed = await passes(sample, check, environment);
    const isolated = environment === PRODUCTION && sample.state.isolated.includes(check);
    response.status(passed ? 200 : 503).json({ check, passed, ...(isolated && { error: 'isolated' }) });
  });

  app.post('/use/:check', async (request, response) => {
    const { check } = request.params;
    if (isClosed(sample, response, check, writes(check))) return;
    const passed = await passes(sample, check);
    note(request, { kind: 'logs', message: `${check} used` });
    finish(response, passed ? 200 : 500, { ok: passed });
  });

  app.get('/files/:name', (request, response) => {
    if (isClosed(sample, response, 'files', false)) return;
    note(request, { kind: 'storage-access', message: 'file read', record: request.params.name });
    finish(response, 200, { name: request.params.name, content: 'sample' });
  });

  app.get('/orders/:id', async (request, response) => {
    if (isClosed(sample, response, 'orders', false)) return;
    const id = Id.safeParse(request.params.id);
    if (!id.success) return finish(response, 400, { error: 'An order is named by its number.' });
    const database = sample.databases.get(PRODUCTION);
    if (database === undefined) return finish(response, 503, NO_DATABASE);
    try {
      const order = await database.order(id.data);
      note(request, { kind: 'database-audit', message: 'order read', record: String(id.data) });
      if (order === undefined) finish(response, 404, { error: 'There is no such order.' });
      else finish(response, 200, order);
    } catch {
      finish(response, 503, DATABASE_AWAY);
    }
  });

  app.post('/orders', async (request, response) => {
    if (isClosed(sample, response, 'orders', true)) return;
    const order = Order.safeParse(parse(request));
    if (!order.success)
      return finish(response, 422, { error: 'Give customerId and amountCents, both whole numbers from 1.' });
    const database = sample.databases.get(PRODUCTION);
    if (database === undefined) return finish(response, 503, NO_DATABASE);
    try {
      const id = await database.addOrder(order.data);
      if (id === undefined) return finish(response, 422, { error: 'There is no such customer.' });
      note(request, { kind: 'database-audit', message: 'order written', record: String(id) });
      finish(response, 201, { id });
    } catch {
      finish(response, 503, DATABASE_AWAY);
    }
  });

  app.post('/webhooks/stripe', (request, response) => {
    if (sample.state.stopped !== null) return unavailable(response, 'traffic stopped', RETRY_SECONDS);
    const body = typeof request.body === 'string' ? request.body : '';
    const accepted = isSigned(sample.folder, request.get('stripe-signature') ?? '', body);
    response.status(accepted ? 200 : 400).json({ accepted });
  });
}

const NO_DATABASE = { error: 'The sample application has no database: APPLICATION_DATABASE_URL is not set.' };
const DATABASE_AWAY = { error: 'The database does not answer.' };

/** Answers for the application when this part of it is switched off. Such answers are no errors: nobody counts them. */
function isClosed({ state }: Sample, response: Response, component: string, writing: boolean): boolean {
  const { isolated, maintenance, readOnly, stopped } = state;
  if (stopped !== null) unavailable(response, 'traffic stopped', RETRY_SECONDS);
  else if (maintenance !== null) {
    const seconds = Math.ceil((Date.parse(maintenance.until) - Date.now()) / 1000);
    unavailable(response, maintenance.message, Math.max(1, seconds));
  } else if (isolated.includes(component)) response.status(503).json({ error: 'isolated' });
  else if (writing && readOnly !== null)
    response.status(409).json({ error: 'The application is read-only now.' });
  else return false;
  return true;
}

function unavailable(response: Response, error: string, retryAfter: number): void {
  response.status(503).set('retry-after', String(retryAfter)).json({ error });
}
