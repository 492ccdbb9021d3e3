import { Refusal, type Handlers } from './state.js';

/** What concerns versions: of the code, of the database's structure, in every environment. */
export const releaseHandlers: Handlers<
  | 'redeploy'
  | 'recentChanges'
  | 'currentRelease'
  | 'runMigrations'
  | 'rollBackMigrations'
  | 'deployUpdate'
  | 'rollBackDeployment'
  | 'deployEnvironment'
  | 'removeEnvironment'
> = {
  redeploy: ({ component }, { state, effect }) => {
    state.deployments += 1;
    const deployment = `${component}-${state.deployments}`;
    state.changes.push(deployment);
    effect('component deployed', component);
    return { deployment };
  },
  recentChanges: (_input, { state }) => ({
    changes: state.recentChanges + state.changes.length,
    newest: state.changes.at(-1) ?? (state.recentChanges > 0 ? `change-${state.recentChanges}` : null),
  }),
  currentRelease: (_input, { state }) => ({
    deployment: state.serving,
    migrations: state.migrations.applied.length,
  }),
  runMigrations: (_input, { state, effect }) => {
    const { applied, pending } = state.migrations;
    if (state.failingMigrations)
      return new Refusal(409, `${pending[0] ?? 'a migration'} failed and was taken back`);
    for (const migration of pending) effect('migration applied', migration);
    state.migrations = { applied: [...applied, ...pending], pending: [] };
    return { applied: pending.length };
  },
  rollBackMigrations: ({ count }, { state, effect }) => {
    const { applied, pending } = state.migrations;
    if (count > applied.length)
      return new Refusal(409, `only ${applied.length} migrations are applied: ${count} can't be taken back`);
    const kept = applied.slice(0, applied.length - count);
    const taken = applied.slice(applied.length - count);
    for (const migration of taken.toReversed()) effect('migration rolled back', migration);
    state.migrations = { applied: kept, pending: [...taken, ...pending] };
    return {};
  },
  deployUpdate: ({ version }, { state, effect }) => {
    const previous = state.serving;
    const deployment = `release-${state.releases.length + 1}`;
    state.releases.push({ id: deployment, version });
    state.serving = deployment;
    state.changes.push(deployment);
    effect('version deployed', version);
    return { deployment, previous };
  },
  rollBackDeployment: ({ deployment }, { state, effect }) => {
    if (!state.releases.some(({ id }) => id === deployment))
      return new Refusal(404, `there is no deployment ${deployment}`);
    if (state.serving !== deployment) {
      state.serving = deployment;
      state.changes.push(`back-to-${deployment}`);
      effect('deployment rolled back', deployment);
    }
    return {};
  },
  deployEnvironment: ({ environment }, { state, effect }) => {
    state.deployments += 1;
    const deployment = `${environment}-${state.deployments}`;
    state.environments[environment] = deployment;
    effect('environment deployed', environment);
    return { deployment };
  },
  removeEnvironment: ({ environment }, { state, effect }) => {
    if (!Object.hasOwn(state.environments, environment)) return {};
    const { [environment]: _removed, ...others } = state.environments;
    state.environments = others;
    effect('environment removed', environment);
    return {};
  },
};
