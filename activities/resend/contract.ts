import { z } from 'zod';

export const permission = z.enum(['full_access', 'sending_access']);
export type Permission = z.output<typeof permission>;

export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** `CreateApiKeyResponse` of https://github.com/resend/resend-openapi: the only answer that ever holds the token. */
export const createdApiKey = z.object({ id: z.string().min(1), token: z.string().min(1) });
export type CreatedApiKey = z.output<typeof createdApiKey>;

/** `ApiKey` */
export const apiKey = z.object({ id: z.string().min(1), name: z.string() });
export type ApiKey = z.output<typeof apiKey>;

/** `ListApiKeysResponse` */
export const apiKeyPage = z.object({ has_more: z.boolean(), data: z.array(apiKey) });

/** `ListDomainsResponse` */
export const domainPage = z.object({ data: z.array(z.object({ id: z.string() })) });

/** https://resend.com/docs/api-reference/errors */
export const errorAnswer = z.object({ name: z.string(), message: z.string() });

/** What Resend lets a key do; `refused` for one that it doesn't know or no longer knows. */
export type Access = Permission | 'refused';

/** What runbooks need of Resend. */
export interface Resend {
  /** Creates a key. Not idempotent: Resend takes idempotency keys for e-mails only. */
  createApiKey(name: string, permission: Permission, options?: CallOptions): Promise<CreatedApiKey>;
  /** All keys of the team, to the last page. */
  listApiKeys(options?: CallOptions): Promise<readonly ApiKey[]>;
  /** Deletes a key. One that is gone already is fine. */
  deleteApiKey(id: string, options?: CallOptions): Promise<void>;
  /** What a key may do: asked with the key itself, without sending an e-mail. */
  accessOf(key: string, options?: CallOptions): Promise<Access>;
}
