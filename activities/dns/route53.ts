import { setTimeout as pause } from 'node:timers/promises';
import {
  ChangeResourceRecordSetsCommand,
  GetChangeCommand,
  ListResourceRecordSetsCommand,
  Route53Client,
  type ResourceRecordSet,
} from '@aws-sdk/client-route-53';
import { ApplicationFailure } from '@temporalio/common';
import { REQUEST_TIMEOUT_MS } from '../http.js';
import type { CallOptions, DnsProvider, RecordSetName } from './contract.js';
import { canonicalValues, hostName } from './records.js';
import { sent } from './route53-failure.js';

/**
 * Route 53 is one service for all regions and is signed for this one.
 * https://docs.aws.amazon.com/general/latest/gr/r53.html
 */
const REGION = 'us-east-1';

/** A change takes about a minute to be everywhere, and the account has ten requests a second for everything together. */
const POLL_INTERVAL_MS = 5_000;

export interface Route53Config {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Default: that of AWS. */
  readonly baseUrl?: URL;
  /** Time between two looks at a change, in milliseconds. Default: 5 s. */
  readonly pollIntervalMs?: number;
  /** Longest time for one answer, in milliseconds. Default: REQUEST_TIMEOUT_MS. */
  readonly timeoutMs?: number;
}

/** Hosted zones at Amazon Route 53. */
export function route53Dns(config: Route53Config): DnsProvider {
  const { baseUrl, pollIntervalMs = POLL_INTERVAL_MS, timeoutMs = REQUEST_TIMEOUT_MS } = config;
  const { accessKeyId, secretAccessKey } = config;
  const client = new Route53Client({
    region: REGION,
    credentials: { accessKeyId, secretAccessKey },
    // Temporal repeats the step: repeating the request here as well would hide how often it failed.
    maxAttempts: 1,
    ...(baseUrl === undefined ? {} : { endpoint: baseUrl.href.replace(/\/$/, '') }),
  });
  const call = <T>(what: string, { signal }: CallOptions, work: (signal: AbortSignal) => Promise<T>) =>
    sent({ what: `${what} at Route 53`, signal, timeoutMs }, work);

  // https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListResourceRecordSets.html: sorted from there on,
  // and with changes that are not everywhere yet.
  const find = async (where: RecordSetName, options: CallOptions): Promise<ResourceRecordSet | undefined> => {
    const { ResourceRecordSets = [] } = await call(
      `look up ${where.type} ${where.name}`,
      options,
      (abortSignal) =>
        client.send(
          new ListResourceRecordSetsCommand({
            HostedZoneId: where.zone,
            StartRecordName: where.name,
            StartRecordType: where.type,
            MaxItems: 1,
          }),
          { abortSignal },
        ),
    );
    return ResourceRecordSets.find(
      ({ Name = '', Type }) => hostName(unescaped(Name)) === where.name && Type === where.type,
    );
  };

  return {
    async lookup(where, options = {}) {
      const found = await find(where, options);
      if (found === undefined) return undefined;
      // An alias has no TTL of its own.
      if (found.TTL === undefined || found.SetIdentifier !== undefined) throw notSimple(where);
      const values = (found.ResourceRecords ?? []).map(({ Value = '' }) => Value);
      return { values: canonicalValues(where.type, values), ttl: found.TTL };
    },

    // https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html: the set as a whole
    async replace(where, { values, ttl }, options = {}) {
      const { ChangeInfo } = await call(`set ${where.type} ${where.name}`, options, (abortSignal) =>
        client.send(
          new ChangeResourceRecordSetsCommand({
            HostedZoneId: where.zone,
            ChangeBatch: {
              Changes: [
                {
                  Action: 'UPSERT',
                  ResourceRecordSet: {
                    Name: where.name,
                    Type: where.type,
                    TTL: ttl,
                    ResourceRecords: values.map((Value) => ({ Value })),
                  },
                },
              ],
            },
          }),
          { abortSignal },
        ),
      );
      const change = changeOf(ChangeInfo, `set ${where.type} ${where.name}`);
      for (let { status } = change; status !== 'INSYNC';) {
        options.heartbeat?.({ change: change.id, status });
        await pause(pollIntervalMs, undefined, { signal: options.signal });
        // https://docs.aws.amazon.com/Route53/latest/APIReference/API_GetChange.html
        const what = `follow the change of ${where.type} ${where.name}`;
        const look = await call(what, options, (abortSignal) =>
          client.send(new GetChangeCommand({ Id: change.id }), { abortSignal }),
        );
        ({ status } = changeOf(look.ChangeInfo, what));
      }
      options.heartbeat?.({ change: change.id, status: 'INSYNC' });
    },
  };
}

/** Route 53 writes other characters than letters, digits, - and _ as `\ooo`: the `*` of a wildcard is `\052`. */
const unescaped = (name: string): string =>
  name.replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

function changeOf(
  info: { Id?: string | undefined; Status?: string | undefined } | undefined,
  what: string,
): { id: string; status: string } {
  const { Id: id, Status: status } = info ?? {};
  if (id !== undefined && id !== '' && status !== undefined) return { id, status };
  throw ApplicationFailure.nonRetryable(
    `${what} at Route 53: the answer does not have the published shape (ChangeInfo). ` +
      'Look at the record in Route 53 before you retry: it may have acted.',
    'UnexpectedAnswer',
  );
}

function notSimple({ type, name, zone }: RecordSetName): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `${type} ${name} in zone ${zone} at Route 53 is an alias or has a routing policy: it is not one list of values. ` +
      'Change it in Route 53 by hand.',
    'NotASimpleRecord',
  );
}
