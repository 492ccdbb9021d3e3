import { join } from 'node:path';
import { accessFile, type Access } from './access.js';
import type { ConfigFile, ConfigFileOptions } from './load.js';
import { secretsFile, type SecretInventory } from './secrets.js';

/** The configuration folder of an installation. */
export interface Configuration {
  readonly access: ConfigFile<Access>;
  readonly secrets: ConfigFile<SecretInventory>;
  /**
   * What a reference of a runbook's `config` stands for, as plain JSON: `secrets/openai/api-key`.
   * undefined when there is no such thing.
   */
  resolve(reference: string): unknown;
  /** References that exist, for the sentence that lists the choices: `secrets/...`. */
  references(): readonly string[];
}

/** Opens a configuration folder. Nothing is read before the first look-up. */
export function openConfiguration(
  directory: string,
  options: Omit<ConfigFileOptions, 'dependsOn'> = {},
): Configuration {
  const access = accessFile(join(directory, 'access.yaml'), options);
  const secrets = secretsFile(join(directory, 'secrets.yaml'), access, options);
  return {
    access,
    secrets,
    resolve: (reference) => {
      const [kind, ...rest] = reference.split('/');
      return kind === 'secrets' ? secrets.get().get(rest.join('/')) : undefined;
    },
    references: () => [...secrets.get().keys()].map((id) => `secrets/${id}`),
  };
}
