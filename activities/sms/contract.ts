import type { StepContext } from '../step.js';

export type SmsCall = Pick<StepContext, 'key' | 'signal'>;

/** Text messages, through the installation's own gateway. */
export interface Sms {
  /** @throws ApplicationFailure `NoAudience` (not retryable). */
  recipients(audience: string): Promise<readonly string[]>;
  /**
   * Sends one message of a step. Repeatable: the gateway gets the same idempotency key with every attempt.
   * @throws ApplicationFailure `VendorUnavailable` (retryable) or `VendorRefused` (not retryable); never with a number.
   */
  send(message: { readonly to: string; readonly text: string }, call: SmsCall): Promise<void>;
}
