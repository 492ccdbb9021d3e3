import { ApplicationFailure } from '@temporalio/common';
import { httpApplicationConfig, type ApplicationConfig } from '../../config/application.js';
import type { Vault } from '../vault/contract.js';
import { notConfigured } from './by-hand.js';
import {
  APPLICATION_VERBS,
  applicationSchemas,
  type Application,
  type ApplicationCall,
  type ApplicationInput,
  type ApplicationMethods,
  type ApplicationOutput,
  type ApplicationVerb,
} from './contract.js';
import { commandRunner, type Evidence } from './runner/command.js';
import { runGithub } from './runner/github.js';
import { runHttp } from './runner/http.js';

export interface ApplicationOptions {
  /** Read at every call: an edit of config/application.yaml counts at once. */
  readonly config: () => ApplicationConfig;
  readonly vault: Vault;
  /** Folder that a command's `cwd` is relative to. */
  readonly folder: string;
  /** Gets what a command printed, redacted, after each attempt. */
  readonly evidence?: (evidence: Evidence) => Promise<void> | void;
}

/** The application under care, done as config/application.yaml says. */
export function createApplication({ config, vault, folder, evidence }: ApplicationOptions): Application {
  const runCommand = commandRunner({ vault, folder, ...(evidence === undefined ? {} : { evidence }) });

  const act = async <V extends ApplicationVerb>(
    verb: V,
    input: ApplicationInput<V>,
    call: ApplicationCall,
  ): Promise<ApplicationOutput<V>> => {
    const { executables, verbs } = config();
    const way = verbs[verb];
    const answer =
      way?.command !== undefined
        ? await runCommand(verb, way.command, executables, input, call)
        : way?.http !== undefined
          ? await runHttp(verb, way.http, vault, input, call)
          : way?.github !== undefined
            ? await runGithub(verb, way.github, vault, input, call)
            : undefined;
    if (answer === undefined) throw notConfigured(verb, input);
    return output(verb, answer.value);
  };

  const methods = Object.fromEntries(
    APPLICATION_VERBS.map((verb) => [
      verb,
      (input: ApplicationInput<typeof verb>, call: ApplicationCall) => act(verb, input, call),
    ]),
  ) as unknown as ApplicationMethods;
  return {
    ...methods,
    lost: (verb) => {
      const way = config().verbs[verb];
      return (way?.command ?? way?.http)?.repeatable === false ? 'unknown' : 'not done';
    },
  };
}

/** The application behind one address that takes every verb over HTTP: of rehearsals and tests. */
export function applicationOver({ baseUrl, vault }: { baseUrl: URL; vault: Vault }): Application {
  const config = httpApplicationConfig(baseUrl);
  return createApplication({ config: () => config, vault, folder: '.' });
}

/** @throws ApplicationFailure `UnexpectedAnswer` (not retryable); the answer is not quoted. */
function output<V extends ApplicationVerb>(verb: V, answer: unknown): ApplicationOutput<V> {
  const parsed = applicationSchemas[verb].output.safeParse(answer);
  if (parsed.success) return parsed.data as ApplicationOutput<V>;
  const mismatches = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'answer'}: ${issue.code}`);
  throw ApplicationFailure.nonRetryable(
    `application.${verb} answered in another form than it should (${mismatches.join('; ')}). ` +
      'Look whether it took effect, then correct what config/application.yaml names for it.',
    'UnexpectedAnswer',
  );
}
