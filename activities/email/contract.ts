import type { StepContext } from '../step.js';

export interface Message {
  /** One address: nobody sees who else got the message. */
  readonly to: string;
  readonly subject: string;
  /** Plain text. */
  readonly body: string;
}

/** What sending needs to know of its step. */
export type EmailCall = Pick<StepContext, 'key' | 'run' | 'signal'>;

/** E-mail, over whatever the installation has. */
export interface Email {
  /** Time between two messages, in milliseconds. */
  readonly pauseMs: number;
  /** @throws ApplicationFailure `NoAudience` (not retryable). */
  recipients(audience: string): Promise<readonly string[]>;
  /**
   * Sends one message of a step, unless an earlier attempt of the step is known to have sent it.
   * @throws ApplicationFailure `VendorUnavailable` (retryable), `VendorRefused` or `UnexpectedAnswer` (not
   * retryable); never with an address.
   */
  send(message: Message, call: EmailCall): Promise<void>;
  /** Whether the step may be repeated without a message that arrives twice. */
  lost(call: EmailCall): Promise<'not done' | 'unknown'>;
}
