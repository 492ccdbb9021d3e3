import { z } from 'zod';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Called after every page of a list. */
  readonly onPage?: () => void;
}

/**
 * https://developers.openai.com/api/reference/resources/organization/subresources/projects/subresources/service_accounts
 * (`ProjectServiceAccount` in openai/openai-openapi)
 */
export const serviceAccount = z.object({
  object: z.literal('organization.project.service_account'),
  id: z.string().min(1),
  name: z.string(),
});
export type ServiceAccount = z.output<typeof serviceAccount>;

/** `ProjectServiceAccountCreateResponse`: the only answer that ever holds the key's value. */
export const createdServiceAccount = serviceAccount.extend({
  api_key: z.object({
    object: z.literal('organization.project.service_account.api_key'),
    id: z.string().min(1),
    value: z.string().min(1),
  }),
});
export type CreatedServiceAccount = z.output<typeof createdServiceAccount>;

/** `ProjectApiKey`. Owners are people's keys or a service account's. */
export const projectApiKey = z.object({
  object: z.literal('organization.project.api_key'),
  id: z.string().min(1),
  owner: z.discriminatedUnion('type', [
    z.object({ type: z.literal('user') }),
    z.object({ type: z.literal('service_account'), service_account: z.object({ id: z.string().min(1) }) }),
  ]),
});
export type ProjectApiKey = z.output<typeof projectApiKey>;

const auditLogUser = z.looseObject({ id: z.string().optional() });

/** `AuditLog`: kept whole, since its digest stands for it in the record. */
export const auditLog = z.looseObject({
  id: z.string().min(1),
  type: z.string(),
  effective_at: z.number().int(),
  actor: z
    .looseObject({
      session: z.looseObject({ user: auditLogUser.optional() }).nullish(),
      api_key: z
        .looseObject({
          id: z.string().optional(),
          user: auditLogUser.nullish(),
          service_account: z.looseObject({ id: z.string().optional() }).nullish(),
        })
        .nullish(),
    })
    .nullish(),
});
export type AuditLog = z.output<typeof auditLog>;

/** `DeletedObject` answers of service accounts and keys. */
export const deleted = z.object({ id: z.string(), deleted: z.literal(true) });

/** `ListModelsResponse` */
export const models = z.object({ object: z.literal('list'), data: z.array(z.object({ id: z.string() })) });

/** One page of a list. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({
    object: z.literal('list'),
    data: z.array(item),
    last_id: z.string().nullish(),
    has_more: z.boolean(),
  });

/** What runbooks need of OpenAI's Administration API, and a look with a key itself. */
export interface Openai {
  /** Creates a service account with one key. Not idempotent: the API documents no idempotency key for it. */
  createServiceAccount(project: string, name: string, options?: CallOptions): Promise<CreatedServiceAccount>;
  /** All service accounts of a project, to the last page. */
  listServiceAccounts(project: string, options?: CallOptions): Promise<readonly ServiceAccount[]>;
  /** Deletes a service account, and with it every key it owns. One that is gone already is fine. */
  deleteServiceAccount(project: string, id: string, options?: CallOptions): Promise<void>;
  /** All keys of a project, to the last page, also those whose owner lost access. */
  listApiKeys(project: string, options?: CallOptions): Promise<readonly ProjectApiKey[]>;
  /** Deletes a person's key; the API refuses a service account's. One that is gone already is fine. */
  deleteApiKey(project: string, id: string, options?: CallOptions): Promise<void>;
  /** Whether OpenAI accepts a key: asked with the key itself. */
  acceptsKey(key: string, options?: CallOptions): Promise<boolean>;
  /** Audit log events of a project, `since` <= time < `until`, to the last page. */
  auditLogs(project: string, since: Date, until: Date, options?: CallOptions): Promise<readonly AuditLog[]>;
}
