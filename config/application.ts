import { isAbsolute } from 'node:path';
import { z } from 'zod';
import {
  APPLICATION_VERBS,
  applicationSchemas,
  REF_FIELDS,
  type ApplicationVerb,
} from '../activities/application/contract.js';
import { isSecretName } from '../activities/vault/ref.js';
import { configFile, type ConfigFile, type ConfigFileOptions } from './load.js';

const EnvironmentName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'A variable is named in letters, digits and "_".');
const SecretName = z.string().refine(isSecretName, 'A secret is named like openai/api-key.');
const Seconds = z.number().int().min(1).max(86_400);
const Url = z
  .url({ protocol: /^https?$/, error: 'Give an https address.' })
  .refine((text) => isSafe(new URL(text)), 'Plain http is for this machine only: give an https address.')
  .transform((text) => text.replace(/\/+$/, ''));

function isSafe({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || ['127.0.0.1', 'localhost', '[::1]'].includes(hostname);
}

/** A header whose value is the current version of a secret, after an optional prefix such as `Bearer `. */
const SecretHeader = z.strictObject({ secret: SecretName, prefix: z.string().max(50).default('') });

/** Whether a lost attempt may simply be repeated. Every attempt of a step presents the same key. */
const repeatable = z.boolean().default(true);

const CommandWay = z.strictObject({
  argv: z.array(z.string()).min(1, 'Name the program.'),
  /** Relative to the folder that the worker was started in. */
  cwd: z.string().min(1).default('.'),
  env: z.record(EnvironmentName, z.string()).default({}),
  /** Variable to the input field whose reference is revealed from the vault, for the child's environment only. */
  secretEnv: z.record(EnvironmentName, z.string()).default({}),
  timeoutSeconds: Seconds.default(600),
  /** Between SIGTERM and SIGKILL. */
  graceSeconds: z.number().min(0).max(300).default(5),
  repeatable,
});

const HttpWay = z.strictObject({
  url: Url,
  method: z.enum(['POST', 'PUT', 'PATCH']).default('POST'),
  headers: z.record(z.string().regex(/^[A-Za-z0-9-]+$/), z.string()).default({}),
  secretHeaders: z.record(z.string().regex(/^[A-Za-z0-9-]+$/), SecretHeader).default({}),
  /** Field of the body to the input field whose reference is revealed from the vault. */
  secretBody: z.record(z.string().min(1), z.string()).default({}),
  repeatable,
});

const GithubWay = z.strictObject({
  repository: z.string().regex(/^[A-Za-z0-9-]+\/[A-Za-z0-9._-]+$/, 'Give it as owner/name.'),
  /** File name below .github/workflows. */
  workflow: z.string().regex(/^[A-Za-z0-9._-]+\.ya?ml$/, 'Give the file name of the workflow: redeploy.yml.'),
  ref: z.string().min(1).default('main'),
  /** The secret that holds the token (Actions: read and write). */
  token: SecretName,
  /** GitHub Enterprise Server: https://HOSTNAME/api/v3. */
  baseUrl: Url.default('https://api.github.com'),
  /** Name of the workflow's input that gets the correlation id; the workflow shows it in its `run-name`. */
  correlationInput: z.string().min(1).default('correlation_id'),
  /** Workflow input to the verb's input field. */
  inputs: z.record(z.string().min(1), z.string()).default({}),
  /** The verb's result; `{run_id}` and `{run_url}` stand for those of the workflow run. */
  result: z.record(z.string(), z.string()).default({}),
  timeoutSeconds: Seconds.default(3600),
  /** More often than the step's heartbeat. */
  pollSeconds: z.number().min(0.01).max(30).default(10),
});

const Way = z
  .strictObject({ command: CommandWay.optional(), http: HttpWay.optional(), github: GithubWay.optional() })
  .refine((way) => Object.values(way).filter((value) => value !== undefined).length === 1, {
    error: 'Give exactly one of command, http and github.',
  });

type Problem = (path: readonly PropertyKey[], message: string) => void;

const PLACEHOLDER = /^(--[A-Za-z][A-Za-z0-9-]*=)?\{([A-Za-z]+)\}$/;

/** Splits one element of `argv`: its literal start, and the input field that it ends with. */
export function placeholder(argument: string): { prefix: string; field: string } | undefined {
  const match = PLACEHOLDER.exec(argument);
  return match?.[2] === undefined ? undefined : { prefix: match[1] ?? '', field: match[2] };
}

function checkCommand(
  way: z.output<typeof CommandWay>,
  verb: ApplicationVerb,
  executables: readonly string[],
  problem: Problem,
): void {
  const program = way.argv[0] ?? '';
  if (!executables.includes(program)) {
    problem(['argv', 0], `${program} is not in "executables". Add it there if it may be run.`);
  }
  if (program.includes('/') && !isAbsolute(program)) {
    problem(['argv', 0], 'Give the name of a program on the PATH, or an absolute path.');
  }
  way.argv.forEach((argument, index) => {
    const found = placeholder(argument);
    if (found === undefined) {
      if (/\{[A-Za-z]+\}/.test(argument)) {
        problem(
          ['argv', index],
          'A placeholder is a whole argument: "{secret}" after "--", or "--secret={secret}".',
        );
      }
      return;
    }
    checkField(verb, found.field, problem, ['argv', index]);
    if (found.prefix === '' && !way.argv.slice(1, index).includes('--')) {
      problem(
        ['argv', index],
        `Put "--" somewhere before {${found.field}}, or write "--${found.field}={${found.field}}": ` +
          'otherwise a value that starts with a dash would be taken for an option.',
      );
    }
  });
  checkSecretFields(verb, way.secretEnv, 'secretEnv', problem);
}

function checkField(
  verb: ApplicationVerb,
  field: string,
  problem: Problem,
  path: readonly PropertyKey[],
): void {
  const fields = Object.keys(applicationSchemas[verb].input.shape);
  if (!fields.includes(field))
    problem(path, `${verb} has no input "${field}". It has: ${fields.join(', ')}.`);
}

function checkSecretFields(
  verb: ApplicationVerb,
  given: Readonly<Record<string, string>>,
  where: string,
  problem: Problem,
): void {
  const fields: readonly string[] = REF_FIELDS[verb];
  for (const [name, field] of Object.entries(given)) {
    if (fields.includes(field)) continue;
    problem(
      [where, name],
      `"${field}" is not a reference among the inputs of ${verb}` +
        (fields.length === 0 ? ': it has none.' : `. It has: ${fields.join(', ')}.`),
    );
  }
}

function checkGithub(way: z.output<typeof GithubWay>, verb: ApplicationVerb, problem: Problem): void {
  for (const [name, field] of Object.entries(way.inputs)) checkField(verb, field, problem, ['inputs', name]);
  if (!applicationSchemas[verb].output.safeParse(way.result).success) {
    problem(
      ['result'],
      `A workflow run can't answer what ${verb} has to answer. Use a command or http, or give every field of the result.`,
    );
  }
}

const ApplicationFile = z
  .strictObject({
    executables: z.array(z.string().min(1)).default([]),
    verbs: z.partialRecord(z.enum(APPLICATION_VERBS as [ApplicationVerb, ...ApplicationVerb[]]), Way),
  })
  .superRefine(({ executables, verbs }, context) => {
    for (const verb of APPLICATION_VERBS) {
      const way = verbs[verb];
      if (way === undefined) continue;
      const problemIn =
        (kind: string): Problem =>
        (path, message) =>
          context.addIssue({ code: 'custom', path: ['verbs', verb, kind, ...path], message });
      if (way.command !== undefined) checkCommand(way.command, verb, executables, problemIn('command'));
      if (way.http !== undefined)
        checkSecretFields(verb, way.http.secretBody, 'secretBody', problemIn('http'));
      if (way.github !== undefined) checkGithub(way.github, verb, problemIn('github'));
    }
  });

/** How each verb of the application is done here. A verb that is left out is done by a person. */
export type ApplicationConfig = z.output<typeof ApplicationFile>;
export type CommandWay = z.output<typeof CommandWay>;
export type HttpWay = z.output<typeof HttpWay>;
export type GithubWay = z.output<typeof GithubWay>;

const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

/** Replaces `${NAME}` and `${NAME:-default}` in every text of a value that was read from YAML. */
function substitute(
  value: unknown,
  env: Environment,
  problem: Problem,
  path: readonly PropertyKey[] = [],
): unknown {
  if (typeof value === 'string') {
    return value.replace(VARIABLE, (_whole, name: string, otherwise: string | undefined) => {
      const found = env[name];
      if (found !== undefined && found !== '') return found;
      if (otherwise === undefined)
        problem(path, `\${${name}} is not set. Set it, or write \${${name}:-default}.`);
      return otherwise ?? '';
    });
  }
  if (Array.isArray(value))
    return value.map((item, index) => substitute(item, env, problem, [...path, index]));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, substitute(item, env, problem, [...path, key])]),
    );
  }
  return value;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The schema of `application.yaml`, with `${NAME}` taken from the given environment. */
export function applicationSchema(env: Environment) {
  return z
    .unknown()
    .transform((value, context) =>
      substitute(value, env, (path, message) =>
        context.addIssue({ code: 'custom', path: [...path], message }),
      ),
    )
    .pipe(ApplicationFile);
}

/** `application.yaml` of a configuration folder. `${NAME}` is replaced when the file is read. */
export function applicationFile(
  path: string,
  // eslint-disable-next-line no-restricted-properties -- the file itself names the variables
  env: Environment = process.env,
  options: Omit<ConfigFileOptions, 'dependsOn'> = {},
): ConfigFile<ApplicationConfig> {
  return configFile(path, applicationSchema(env), options);
}

/** Every verb done by `POST <base>/verbs/<verb>`: the way of rehearsals. */
export function httpApplicationConfig(baseUrl: URL): ApplicationConfig {
  const base = baseUrl.href.replace(/\/+$/, '');
  return ApplicationFile.parse({
    verbs: Object.fromEntries(
      APPLICATION_VERBS.map((verb) => [verb, { http: { url: `${base}/verbs/${verb}` } }]),
    ),
  });
}
