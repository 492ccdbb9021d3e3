import type { VerbInfos } from '../verb-info.js';
import type { pagerdutySteps } from './steps.js';

export const pagerdutyVerbs = {
  trigger: { title: 'Page the person on call at PagerDuty ({severity}): {summary}', returns: true },
  acknowledge: { title: 'Acknowledge the PagerDuty alert {dedupKey}', returns: false },
  resolve: { title: 'Resolve the PagerDuty alert {dedupKey}', returns: false },
  incident: { title: 'Look up the PagerDuty incident of the alert {dedupKey}', returns: true },
  onCall: { title: 'Look up at PagerDuty whether somebody is on call', returns: true },
} as const satisfies VerbInfos<ReturnType<typeof pagerdutySteps>>;
