import { EnvironmentError } from '../../config/environment.js';
import type { Context } from './context.js';

/** A bare `runbook`: how to begin. */
export function begin(context: Context): void {
  const { colours: c, catalogue } = context;
  const [first = 'NAME'] = catalogue.keys();
  const isUp = environmentProblem(context) === undefined;
  const lines: [string, string][] = [
    ...(isUp
      ? []
      : ([['npm start', 'bring up the local stack (in another terminal)']] as [string, string][])),
    ['runbook list', 'the runbooks'],
    [`runbook show ${first}`, 'what one of them does, step by step'],
    [`runbook rehearse ${first}`, 'watch it run where nothing is real'],
    [`runbook start ${first} --help`, 'start it for real'],
    ['runbook runs --open', 'what runs and what waits for people'],
    ['runbook doctor', 'is everything set up?'],
    ['runbook --help', 'every command'],
  ];
  const width = Math.max(...lines.map(([command]) => command.length));
  context.say(c.bold('Runbooks: durable procedures with approvals, rehearsals and a record.'));
  context.say();
  for (const [command, what] of lines) context.say(`  ${c.cyan(command.padEnd(width))}  ${c.dim(what)}`);
  context.document({
    begin: lines.map(([command, what]) => ({ command, what })),
    environment: isUp ? 'set' : 'not set',
  });
}

function environmentProblem({ services }: Context): string | undefined {
  try {
    return services.environment.org === '' ? 'no organisation' : undefined;
  } catch (error) {
    if (error instanceof EnvironmentError) return error.message;
    throw error;
  }
}
