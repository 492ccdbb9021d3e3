import { z } from 'zod';
import { answer, request, type RequestOptions } from '../http.js';
import { Incident, INCIDENTS_PER_PAGE, type Statuspage } from './contract.js';

/** https://developer.statuspage.io/#section/Basics/URL-Prefix */
export const STATUSPAGE_BASE_URL = 'https://api.statuspage.io/v1';

/**
 * The limit of one request a second, over 60 s, is answered with 420 or 429.
 * https://developer.statuspage.io/#section/Rate-Limiting
 */
const RATE_LIMITED = [420, 429];

export interface StatuspageConfig {
  /** Default: STATUSPAGE_BASE_URL. */
  readonly baseUrl?: URL;
  readonly apiKey: string;
  /** Id of the page that everything is published on. */
  readonly pageId: string;
  /** Longest time for one answer, in milliseconds. Default: that of `request`. */
  readonly timeoutMs?: number;
}

const NEXT =
  'Check that the API key (STATUSPAGE_API_KEY) is valid and may manage the page (STATUSPAGE_PAGE_ID), that the ids of ' +
  'incident and components are those of this page, and that the status fits: a maintenance has other ones than an ' +
  'incident. Then retry.';

/** The real client of the Atlassian Statuspage API. */
export const statuspage = (config: StatuspageConfig): Statuspage => {
  const { baseUrl = new URL(STATUSPAGE_BASE_URL), apiKey, pageId, timeoutMs } = config;
  const base = `${baseUrl.href.replace(/\/$/, '')}/pages/${encodeURIComponent(pageId)}/incidents`;

  const call = async <S extends z.ZodType>(
    schema: S,
    path: string,
    options: Omit<RequestOptions, 'headers' | 'next'>,
  ): Promise<z.output<S>> => {
    const response = await request(new URL(`${base}${path}`), {
      next: NEXT,
      timeoutMs,
      alsoRetry: RATE_LIMITED,
      ...options,
      // https://developer.statuspage.io/#section/Authentication
      headers: { authorization: `OAuth ${apiKey}`, accept: 'application/json' },
    });
    return await answer(schema, response, options.what);
  };

  return {
    // https://developer.statuspage.io/#operation/postPagesPageIdIncidents
    async create({ name, status, body, impact, components = {}, metadata, scheduled }, { signal } = {}) {
      const affected = Object.keys(components);
      const changed = Object.entries(components).filter(([, to]) => to !== undefined);
      const incident = {
        name,
        status,
        body,
        metadata,
        deliver_notifications: true,
        ...(affected.length === 0 ? {} : { component_ids: affected }),
        ...(changed.length === 0 ? {} : { components: Object.fromEntries(changed) }),
        ...(impact === undefined ? {} : { impact_override: impact }),
        ...(scheduled === undefined
          ? {}
          : {
              scheduled_for: scheduled.from,
              scheduled_until: scheduled.until,
              // The steps of the run say when it begins and ends, not the clock.
              scheduled_auto_in_progress: false,
              scheduled_auto_completed: false,
            }),
      };
      const what =
        scheduled === undefined
          ? 'publish an incident at Statuspage'
          : 'announce a maintenance at Statuspage';
      return await call(Incident, '', { what, method: 'POST', body: { incident }, signal });
    },

    // https://developer.statuspage.io/#operation/patchPagesPageIdIncidentsIncidentId
    async update(id, { status, body, metadata, components }, { signal } = {}) {
      const incident = {
        status,
        body,
        metadata,
        deliver_notifications: true,
        ...(components === undefined ? {} : { components }),
      };
      const what = `update incident ${id} at Statuspage`;
      const path = `/${encodeURIComponent(id)}`;
      return await call(Incident, path, { what, method: 'PATCH', body: { incident }, signal });
    },

    // https://developer.statuspage.io/#operation/getPagesPageIdIncidentsIncidentId
    async incident(id, { signal } = {}) {
      return await call(Incident, `/${encodeURIComponent(id)}`, {
        what: `look at incident ${id} at Statuspage`,
        signal,
      });
    },

    // https://developer.statuspage.io/#operation/getPagesPageIdIncidents
    async incidents(page, { signal } = {}) {
      const query = new URLSearchParams({ limit: String(INCIDENTS_PER_PAGE), page: String(page) });
      return await call(z.array(Incident), `?${query}`, {
        what: 'list the incidents at Statuspage',
        signal,
      });
    },
  };
};
