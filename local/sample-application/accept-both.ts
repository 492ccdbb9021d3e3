/** Accepts webhooks signed with either of two secrets: CURRENT_SECRET=... NEXT_SECRET=... accept-both.ts */
import { fromEnvironment, printResult } from './command.js';
import { dataFolder, save } from './store.js';

const accepted = [fromEnvironment('CURRENT_SECRET'), fromEnvironment('NEXT_SECRET')];
save(dataFolder(), 'webhooks', [...new Set(accepted)]);
printResult({ accepted: accepted.length });
