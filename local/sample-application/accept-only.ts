/** Accepts webhooks signed with one value of a secret, and no other: ONLY_SECRET=... accept-only.ts --secret=NAME */
import { fromEnvironment, printResult, secretArgument } from './command.js';
import { dataFolder } from './store.js';
import { acceptWebhooks } from './webhooks.js';

const secret = secretArgument();
printResult({ accepted: acceptWebhooks(dataFolder(), secret, [fromEnvironment('ONLY_SECRET')]) });
