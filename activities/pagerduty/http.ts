import { ApplicationFailure } from '@temporalio/common';
import { answer, request, type RequestOptions } from '../http.js';
import { Accepted, IncidentPage, OnCallPage, type OnCall, type Pagerduty } from './contract.js';

/** https://developer.pagerduty.com/docs/events-api-v2-overview; EU accounts have events.eu.pagerduty.com. */
export const PAGERDUTY_EVENTS_URL = new URL('https://events.pagerduty.com');
/** https://developer.pagerduty.com/docs/rest-api-overview; EU accounts have api.eu.pagerduty.com. */
export const PAGERDUTY_API_URL = new URL('https://api.pagerduty.com');

/** Largest `limit` of a list: https://developer.pagerduty.com/docs/pagination */
const PAGE_SIZE = 100;
/** `offset` plus `limit` may not be more than 10,000. Same source. */
const MAX_PAGES = 100;

export interface PagerdutyConfig {
  readonly eventsUrl?: URL | undefined;
  readonly apiUrl?: URL | undefined;
  /** Integration key of the service that pages go to ("Events API v2"). Without it nobody can be paged. */
  readonly routingKey?: string | undefined;
  /** REST API key; a read-only one is enough. Without it nothing can be looked up. */
  readonly apiToken?: string | undefined;
  /** Longest wait for one answer, in milliseconds. */
  readonly timeoutMs?: number;
}

/** PagerDuty over HTTP: alerts by the Events API v2, everything that is looked up by the REST API. */
export const pagerduty = (config: PagerdutyConfig): Pagerduty => {
  const { eventsUrl = PAGERDUTY_EVENTS_URL, apiUrl = PAGERDUTY_API_URL, timeoutMs } = config;
  const below = (base: URL, path: string): URL => new URL(`${base.href.replace(/\/$/, '')}${path}`);

  // https://developer.pagerduty.com/docs/send-alert-event; retried are 429, every 5xx and network errors:
  // https://github.com/PagerDuty/api-schema/blob/main/reference/events-v2/openapiv3.json
  const event = async (
    what: string,
    body: Readonly<Record<string, unknown>>,
    signal: AbortSignal | undefined,
  ): Promise<{ dedupKey: string }> => {
    const routingKey = needed(config.routingKey, what, 'PAGERDUTY_ROUTING_KEY');
    const response = await request(below(eventsUrl, '/v2/enqueue'), {
      what,
      method: 'POST',
      headers: { accept: 'application/json' },
      body: { routing_key: routingKey, ...body },
      signal,
      timeoutMs,
      next: 'Check that PAGERDUTY_ROUTING_KEY is the integration key of an "Events API v2" integration, then retry.',
    });
    const { dedup_key: dedupKey } = await answer(Accepted, response, what);
    return { dedupKey };
  };

  const get = async (path: string, options: Pick<RequestOptions, 'what' | 'signal'>): Promise<Response> => {
    const token = needed(config.apiToken, options.what, 'PAGERDUTY_API_TOKEN');
    return await request(below(apiUrl, path), {
      ...options,
      timeoutMs,
      headers: {
        accept: 'application/vnd.pagerduty+json;version=2',
        authorization: `Token token=${token}`,
      },
      next: 'Check that PAGERDUTY_API_TOKEN is a valid REST API key, and the ids in the step, then retry.',
    });
  };

  return {
    async trigger({ summary, severity, dedupKey, source }, { signal } = {}) {
      const payload = { summary, severity, source };
      return await event(
        'trigger an alert at PagerDuty',
        { event_action: 'trigger', dedup_key: dedupKey, client: 'runbook', payload },
        signal,
      );
    },

    async acknowledge(dedupKey, { signal } = {}) {
      const what = `acknowledge the alert ${dedupKey} at PagerDuty`;
      await event(what, { event_action: 'acknowledge', dedup_key: dedupKey }, signal);
    },

    async resolve(dedupKey, { signal } = {}) {
      const what = `resolve the alert ${dedupKey} at PagerDuty`;
      await event(what, { event_action: 'resolve', dedup_key: dedupKey }, signal);
    },

    // https://developer.pagerduty.com/api-reference/9d0b4b12e36f9-list-incidents: also finds incidents whose alerts
    // have the key; without `date_range` only the last month is looked at.
    async incident(dedupKey, { signal } = {}) {
      const what = `look up the incident of the alert ${dedupKey} at PagerDuty`;
      const query = new URLSearchParams({
        incident_key: dedupKey,
        date_range: 'all',
        sort_by: 'created_at:desc',
        limit: '1',
      });
      const response = await get(`/incidents?${query}`, { what, signal });
      return (await answer(IncidentPage, response, what)).incidents[0];
    },

    // https://developer.pagerduty.com/api-reference/3a6b910f11050-list-all-of-the-on-calls: without times, now
    async onCalls(schedule, { signal } = {}) {
      const what = 'look up who is on call at PagerDuty';
      const found: OnCall[] = [];
      for (let page = 0; page < MAX_PAGES; page += 1) {
        const query = new URLSearchParams({ limit: String(PAGE_SIZE), offset: String(page * PAGE_SIZE) });
        if (schedule !== undefined) query.append('schedule_ids[]', schedule);
        const { oncalls, more } = await answer(
          OnCallPage,
          await get(`/oncalls?${query}`, { what, signal }),
          what,
        );
        found.push(...oncalls);
        if (!more) return found;
      }
      throw ApplicationFailure.nonRetryable(
        `${what}: there are more than ${MAX_PAGES * PAGE_SIZE} entries. Name a schedule in the step, then retry.`,
        'UnexpectedAnswer',
      );
    },
  };
};

/** An account may have one of the two credentials only. @throws ApplicationFailure `NoCredential` (not retryable). */
function needed(credential: string | undefined, what: string, variable: string): string {
  if (credential !== undefined) return credential;
  throw ApplicationFailure.nonRetryable(
    `${what}: there is no credential for it. Set ${variable} for the worker and retry, or do the step by hand.`,
    'NoCredential',
  );
}
