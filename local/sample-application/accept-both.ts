/** Accepts webhooks signed with either of two values: CURRENT_SECRET=... NEXT_SECRET=... accept-both.ts --secret=NAME */
import { fromEnvironment, printResult, secretArgument } from './command.js';
import { dataFolder } from './store.js';
import { acceptWebhooks } from './webhooks.js';

const secret = secretArgument();
printResult({
  accepted: acceptWebhooks(dataFolder(), secret, [
    fromEnvironment('CURRENT_SECRET'),
    fromEnvironment('NEXT_SECRET'),
  ]),
});
