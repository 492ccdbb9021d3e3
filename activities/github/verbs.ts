import type { VerbInfos } from '../verb-info.js';
import type { githubSteps } from './steps.js';

export const githubVerbs = {
  dispatch: {
    title: 'Run the GitHub workflow {workflow} of {repository} ({ref})',
    returns: true,
    within: '2 hours',
    giveUpAfter: '4 hours',
    heartbeat: '2 minutes',
  },
  createIssue: {
    title: 'Create the GitHub issue "{title}" in {repository}',
    returns: true,
    within: '5 minutes',
    giveUpAfter: '30 minutes',
  },
  closeIssue: {
    title: 'Close GitHub issue {issue} of {repository}',
    returns: false,
    within: '5 minutes',
    giveUpAfter: '30 minutes',
  },
  latestRelease: { title: 'Look up the latest release of {repository} at GitHub', returns: true },
} as const satisfies VerbInfos<ReturnType<typeof githubSteps>>;
