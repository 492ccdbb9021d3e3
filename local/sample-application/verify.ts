/** Reads every field of a secret with one key: KEY=... verify.ts --secret=database/encryption-key */
import { fromEnvironment, printResult, secretArgument } from './command.js';
import { verifyFields } from './fields.js';
import { dataFolder } from './store.js';

printResult(verifyFields(dataFolder(), secretArgument(), fromEnvironment('KEY')));
