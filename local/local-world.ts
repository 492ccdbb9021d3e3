import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Vault } from '../activities/vault/contract.js';
import type { SecretInventory } from '../config/secrets.js';
import { simulators } from '../simulators/index.js';
import { seedWorld } from '../simulators/presets.js';
import { startSimulators, type Simulators } from '../simulators/server.js';
import { LOCAL_WORLD } from '../worker/systems.js';

/**
 * Simulated vendors that remember over a restart: a run that waits since yesterday must find the keys it made.
 * @param folder where they keep their state
 */
export async function startLocalSimulators(folder: string): Promise<Simulators> {
  const file = join(folder, 'simulators.json');
  const started = await startSimulators(simulators, {
    onAnswer: (world) => {
      if (world.name !== LOCAL_WORLD) return;
      // Written whole or not at all: the stack may be killed at any moment.
      writeFileSync(`${file}.new`, JSON.stringify(world.dump()));
      renameSync(`${file}.new`, file);
    },
  });
  if (existsSync(file)) {
    started.world(LOCAL_WORLD).restore(JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>);
  }
  return started;
}

/** On the first start every secret of the inventory exists at its simulated vendor and in the vault. */
export async function seedLocalWorld(
  simulated: Simulators,
  vault: Vault,
  inventory: SecretInventory,
): Promise<void> {
  const [first] = inventory.keys();
  if (first === undefined || (await vault.current(first)) !== undefined) return;
  await seedWorld(simulated.world(LOCAL_WORLD), vault, inventory);
}

/** Names in config/databases.yaml of the sample application's databases, by its environment. */
const CONNECTIONS: Readonly<Record<string, string>> = {
  production: 'postgres/app-url',
  dr: 'postgres/app-dr-url',
};

/** Hands in the connection strings of the sample application's databases: their passwords change at every start. */
export async function seedConnections(vault: Vault, urls: Readonly<Record<string, string>>): Promise<void> {
  for (const [environment, url] of Object.entries(urls)) {
    const name = CONNECTIONS[environment];
    if (name === undefined) continue;
    const key = createHash('sha256').update(url).digest('hex');
    await vault.promote((await vault.put(name, url, { key })).ref);
  }
}
