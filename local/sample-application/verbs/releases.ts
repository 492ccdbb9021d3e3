import { appliedMigrations, rollBackMigrations, runMigrations } from '../migrations.js';
import { Refused } from '../refused.js';
import { PRODUCTION } from '../sample.js';
import { servingVersion } from '../state.js';
import { load } from '../store.js';
import { noteChange, type Act, type Answers } from './answers.js';

/** What concerns versions: of the code, of the database's structure, in every environment. */
export const releaseAnswers: Answers<
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
  redeploy: ({ component }, act) => {
    const { state } = act;
    state.deployments += 1;
    const deployment = `${component}-${state.deployments}`;
    readConfig(act);
    noteChange(state, deployment);
    return { deployment };
  },
  recentChanges: ({ since }, { state }) => {
    const changes = state.changes.filter(({ at }) => Date.parse(at) >= Date.parse(since));
    return { changes: changes.length, newest: changes.at(-1)?.id ?? null };
  },
  currentRelease: async (_input, { sample, state }) => ({
    deployment: state.serving,
    migrations: (await appliedMigrations(sample.databases.get(PRODUCTION), state)).length,
  }),
  runMigrations: async (_input, { key, sample, state }) => ({
    applied: await runMigrations(sample.databases.get(PRODUCTION), state, key),
  }),
  rollBackMigrations: async ({ count }, { key, sample, state }) => {
    await rollBackMigrations(sample.databases.get(PRODUCTION), state, key, count);
    return {};
  },
  deployUpdate: ({ version }, act) => {
    const { state } = act;
    const previous = state.serving;
    const deployment = `release-${state.releases.length + 1}`;
    state.releases.push({ id: deployment, version, at: new Date().toISOString() });
    state.serving = deployment;
    readConfig(act);
    noteChange(state, deployment);
    return { deployment, previous };
  },
  rollBackDeployment: ({ deployment }, act) => {
    const { state } = act;
    if (!state.releases.some(({ id }) => id === deployment))
      throw new Refused(404, `There is no deployment ${deployment}.`);
    if (state.serving !== deployment) {
      state.serving = deployment;
      readConfig(act);
      noteChange(state, `back-to-${deployment}`);
    }
    return {};
  },
  deployEnvironment: ({ environment }, { state }) => {
    state.deployments += 1;
    const deployment = `${environment}-${state.deployments}`;
    state.environments = [
      ...state.environments.filter(({ name }) => name !== environment),
      { name: environment, deployment, version: servingVersion(state) },
    ];
    noteChange(state, deployment);
    return { deployment };
  },
  removeEnvironment: ({ environment }, { state }) => {
    state.environments = state.environments.filter(({ name }) => name !== environment);
    return {};
  },
};

/** Whatever is deployed reads its configuration anew. */
function readConfig({ sample }: Act): void {
  sample.config = load(sample.folder, 'config');
}
