import type { AffectedRun } from './containment.js';

/** Time after which the owners are asked as well; no document names one. */
const LEGAL_DECIDES_WITHIN = '2 hours';
/** Time until legal is asked again when the facts do not suffice; no document names one. */
const ASK_AGAIN_AFTER = '2 hours';
/** Time to agree to the message to users, twice; no document names one. Without an answer it is not sent. */
const AGREE_WITHIN = '24 hours';
const ANSWERS = ['required', 'not required', 'not yet known'] as const;

export type UsersOutcome = 'not required' | 'not approved' | 'notified';
export type AuthorityOutcome = 'not required' | 'notified';

/** Ids for the plan. */
export const NOTIFYING_USERS = [
  'notify-users',
  'more-facts-users',
  'prepare-user-notification',
  'send-user-notification',
  'application.notifyUsers',
];
export const NOTIFYING_AUTHORITY = [
  'notify-authority',
  'more-facts-authority',
  'submit-to-authority',
  'document-why-not',
];

/** Legal decides whether users are notified, has it prepared, and agrees before anything is sent. */
export async function notifyUsers(
  run: AffectedRun,
  known: string,
  prepared: () => void,
): Promise<UsersOutcome> {
  const { title, supabaseProject } = run.config.service;
  const required = await untilKnown(run, 'users', `Must users be notified (Art. 34 GDPR)? ${known}`);
  if (!required) {
    prepared();
    return 'not required';
  }
  const { subject, message } = messageToUsers(title, supabaseProject !== null);
  await run.manual('prepare-user-notification', {
    instruction:
      `Prepare the notification of the affected users, and attach it. This text will be sent once you agree to it: ` +
      `"${subject}" / "${message}" Whatever is needed beyond it, answers for support or letters, belongs to it too.`,
    group: 'legal',
  });
  prepared();
  const { verdict } = await run.review('send-user-notification', {
    question: `Send the prepared notification to the affected users of ${title} now? Once sent it can't be called back.`,
    group: 'legal',
    within: AGREE_WITHIN,
    escalateTo: 'legal',
  });
  if (verdict !== 'approved') return 'not approved';
  await run.steps.application.notifyUsers({ audience: 'affected', subject, message });
  return 'notified';
}

/** What Art. 34(2) GDPR wants users to be told, as far as it is the same in every case. */
function messageToUsers(title: string, signedOut: boolean): { subject: string; message: string } {
  return {
    subject: `Security incident at ${title}`,
    message:
      `Somebody without permission may have had access to data about you at ${title}. We have closed that access ` +
      `and are finding out more. ${signedOut ? 'You were signed out to protect your account. ' : ''}Choose a new ` +
      'password, also wherever else you used the old one. Be careful with messages that ask for personal data. ' +
      'Answer this message to reach our contact for data protection.',
  };
}

/** Legal decides whether the supervisory authority is notified; either way there is proof of it. */
export async function notifyAuthority(run: AffectedRun, known: string): Promise<AuthorityOutcome> {
  const required = await untilKnown(
    run,
    'authority',
    `Must the supervisory authority be notified (Art. 33 GDPR)? ${known}`,
  );
  if (required) {
    await run.manual('submit-to-authority', {
      instruction:
        "Submit the notification in the authority's own form, with what is known; the rest may follow (Art. 33(4) " +
        'GDPR). Attach the confirmation of receipt.',
      group: 'legal',
    });
    return 'notified';
  }
  await run.manual('document-why-not', {
    instruction:
      'Write down why no risk to people is likely, and attach it: the authority may ask for it (Art. 33(5) GDPR).',
    group: 'legal',
  });
  return 'not required';
}

/** Asks legal until the answer is yes or no; the clocks go on meanwhile. */
async function untilKnown(run: AffectedRun, who: 'users' | 'authority', question: string): Promise<boolean> {
  for (;;) {
    const { option } = await run.decide(`notify-${who}`, {
      question,
      choices: ANSWERS,
      group: 'legal',
      within: LEGAL_DECIDES_WITHIN,
    });
    if (option !== 'not yet known') return option === 'required';
    await run.wait(`more-facts-${who}`, ASK_AGAIN_AFTER, 'legal needs more facts and is asked again');
  }
}
