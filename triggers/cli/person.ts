import type { Context } from './context.js';
import { CliError, EXIT } from './exit.js';
import { didYouMean } from './nearest.js';
import { clean } from './terminal.js';

/** Who acts. */
export interface Actor {
  readonly person: string;
  readonly assurance: 'claimed';
}

/**
 * The person that somebody at this terminal says to be. Believed by the local stack only.
 * @throws CliError
 */
export async function actor(context: Context, as: string | undefined): Promise<Actor> {
  const { services, io } = context;
  if (!services.environment.local) {
    throw new CliError(
      EXIT.refused,
      'This is not the local stack: acting through the CLI takes an API token, which this installation does not offer ' +
        'yet. A name given with --as counts on the local stack alone. What only reads works: list, show, runs, status, ' +
        'ledger, doctor.',
    );
  }
  const wanted = (as ?? io.env['RUNBOOK_AS'] ?? '').trim();
  const { people, groups } = services.configuration.access.get();
  if (wanted === '') {
    const list = people.map(({ name, email }) => {
      const member = Object.keys(groups).filter((group) => groups[group]?.includes(email) === true);
      return `  ${clean(name)} <${clean(email)}>${member.length === 0 ? '' : `  ${member.join(', ')}`}`;
    });
    throw new CliError(
      EXIT.usage,
      `Say who acts: --as PERSON, or set RUNBOOK_AS. There are:\n${list.join('\n')}\nA first name will do.`,
    );
  }
  const person = await services.directory.personByName(wanted);
  if (person === undefined) {
    const names = people.flatMap(({ name, email }) => [name, name.split(/\s+/)[0] ?? name, email]);
    throw new CliError(
      EXIT.notFound,
      `Nobody in ${services.configuration.access.path}, or more than one person, is called "${wanted}".` +
        `${didYouMean(wanted, names)} There are: ${people.map(({ name }) => name).join(', ')}.`,
    );
  }
  return { person, assurance: 'claimed' };
}
