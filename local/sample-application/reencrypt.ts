/** Re-encrypts every field of a secret: OLD_KEY=... NEW_KEY=... reencrypt.ts --secret=database/encryption-key */
import { fromEnvironment, printResult, secretArgument } from './command.js';
import { reencryptFields } from './fields.js';
import { dataFolder } from './store.js';

const secret = secretArgument();
const { fields, unreadable } = reencryptFields(
  dataFolder(),
  secret,
  fromEnvironment('OLD_KEY'),
  fromEnvironment('NEW_KEY'),
);
if (unreadable > 0) {
  process.stderr.write(
    `${fields} fields of ${secret} are re-encrypted; ${unreadable} can be read with neither key and were left as they ` +
      'are. Find the key that they were written with, then run this again.\n',
  );
  process.exitCode = 1;
} else {
  printResult({ fields });
}
