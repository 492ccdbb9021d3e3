import { setTimeout as sleep } from 'node:timers/promises';
import pc from 'picocolors';
import { dropOnSignal } from './signals.js';

// Before anything is loaded: Ctrl-C must do the same at every moment.
dropOnSignal('The demo was stopped. Nothing real was touched, and nothing is left running.');

/** `npm run demo`, `npm run demo -- data-breach`; another folder for its data may follow. */
async function main(): Promise<void> {
  const { demo } = await import('./demo-story.js');
  const [story, folder] = process.argv.slice(2);
  await demo(story, folder);
}

main().catch(async (error: unknown) => {
  // A signal to the whole group may break what we use before it is heard here: then that is all there is to say.
  await sleep(250);
  process.stderr.write(pc.red(`${error instanceof Error ? error.message : String(error)}\n`));
  process.exitCode = 1;
});
