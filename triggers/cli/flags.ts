import { Option, type Command } from 'commander';
import { z } from 'zod';
import type { Configuration } from '../../config/index.js';
import { dotted } from '../../config/load.js';
import type { CatalogueEntry } from '../catalogue.js';
import { CliError, EXIT } from './exit.js';
import { didYouMean } from './nearest.js';

/** What the command line needs of a JSON Schema property. Inputs are flat. */
const Property = z.looseObject({
  title: z.string().optional(),
  description: z.string().optional(),
  type: z.string().optional(),
  enum: z.array(z.unknown()).optional(),
  examples: z.array(z.unknown()).optional(),
  default: z.unknown().optional(),
  options: z.string().optional(),
});
type Property = z.output<typeof Property>;
const Properties = z.object({
  properties: z.record(z.string(), Property).default({}),
  required: z.array(z.string()).default([]),
});

export interface InputFlag {
  /** Name of the input field. */
  readonly field: string;
  /** `--dry-run` */
  readonly flag: string;
  readonly property: Property;
  /** Name under which commander keeps the value. */
  readonly attribute: string;
}

/** Flags of every command; an input field of that name gets `--input-<name>`. */
const RESERVED = ['json', 'help', 'version', 'as', 'request-id', 'watch', 'rehearsal'];

/** `dryRun` -> `dry-run` */
function kebab(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replaceAll('_', '-')
    .toLowerCase();
}

/** The flags of a runbook's input. */
export function inputFlags({ schema }: CatalogueEntry): InputFlag[] {
  return Object.entries(Properties.parse(schema).properties).map(([field, property]) => {
    const name = RESERVED.includes(kebab(field)) ? `input-${kebab(field)}` : kebab(field);
    const flag = `--${name}`;
    return { field, flag, property, attribute: new Option(flag).attributeName() };
  });
}

/** Adds the flags of a runbook's input to a command. */
export function addInputFlags(command: Command, entry: CatalogueEntry): void {
  const { required } = Properties.parse(entry.schema);
  for (const { field, flag, property } of inputFlags(entry)) {
    const { title, description, default: standard, examples } = property;
    const notes = [
      property.enum === undefined ? undefined : property.enum.map(String).join(' | '),
      standard === undefined
        ? required.includes(field)
          ? 'needed'
          : 'optional'
        : `default ${literal(standard)}`,
      examples?.[0] === undefined || property.enum !== undefined ? undefined : `e.g. ${literal(examples[0])}`,
    ].filter((note) => note !== undefined);
    const text = `${[title, description].filter((part) => part !== undefined).join(': ')} (${notes.join('; ')})`;
    if (property.type === 'boolean') {
      command.option(flag, text).option(flag.replace('--', '--no-'), `not ${flag}`);
    } else {
      command.option(
        `${flag} <${property.type === 'string' || property.type === undefined ? 'text' : property.type}>`,
        text,
      );
    }
  }
}

/** The input fields that were given, as values of their types. */
export function givenInput(
  entry: CatalogueEntry,
  options: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    inputFlags(entry).flatMap(({ field, attribute, property }) => {
      const value = options[attribute];
      return value === undefined ? [] : [[field, coerced(value, property)]];
    }),
  );
}

function coerced(value: unknown, { type }: Property): unknown {
  if (typeof value !== 'string' || (type !== 'number' && type !== 'integer')) return value;
  const number = Number(value);
  // What is no number stays as it is: the schema says so in its own words.
  return value.trim() === '' || !Number.isFinite(number) ? value : number;
}

/**
 * The input, checked against the runbook's schema and the configuration.
 * @throws CliError naming every problem at once, by flag
 */
export function checkInput(
  entry: CatalogueEntry,
  input: Record<string, unknown>,
  configuration: Configuration,
): unknown {
  const flags = new Map(inputFlags(entry).map((flag) => [flag.field, flag]));
  const parsed = entry.spec.input.safeParse(input);
  const problems: string[] = [];
  for (const { path, message } of parsed.error?.issues ?? []) {
    const [field] = path;
    const name = flags.get(String(field))?.flag ?? (dotted(path) || 'the input');
    const isMissing = typeof field === 'string' && input[field] === undefined;
    problems.push(`${name} ${isMissing ? 'is missing' : `: ${message}`}`.replace(' :', ':'));
  }
  for (const { field, flag, property } of flags.values()) {
    const choices = choicesOf(property, configuration);
    const value = input[field];
    if (choices === undefined || typeof value !== 'string' || choices.includes(value)) continue;
    const all = choices.length <= 20 ? ` There are: ${choices.join(', ')}.` : '';
    problems.push(`${flag}: there is no "${value}".${didYouMean(value, choices)}${all}`);
  }
  if (problems.length > 0 || !parsed.success) {
    const list = problems.map((problem) => `  ${problem}`).join('\n');
    throw new CliError(
      EXIT.usage,
      `${entry.spec.title}: the input is not complete or not valid.\n${list}\n` +
        `\`runbook start ${entry.command} --help\` describes every flag.`,
    );
  }
  return parsed.data;
}

/** The values that a field may take, where the configuration lists them. */
function choicesOf({ options }: Property, configuration: Configuration): string[] | undefined {
  if (options === undefined) return undefined;
  const prefix = `${options}/`;
  const found = configuration.references().filter((reference) => reference.startsWith(prefix));
  return found.map((reference) => reference.slice(prefix.length));
}

function literal(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
