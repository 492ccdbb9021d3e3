import { join } from 'node:path';
import { accessFile, type Access } from './access.js';
import { escalationFile, type Escalation } from './escalation.js';
import type { ConfigFile, ConfigFileOptions } from './load.js';
import { notificationsFile, type NotificationsConfig } from './notifications.js';
import { secretsFile, type SecretInventory } from './secrets.js';
import { servicesFile, type Service } from './services.js';

/** The configuration folder of an installation. */
export interface Configuration {
  readonly access: ConfigFile<Access>;
  readonly secrets: ConfigFile<SecretInventory>;
  readonly services: ConfigFile<ReadonlyMap<string, Service>>;
  readonly notifications: ConfigFile<NotificationsConfig>;
  readonly escalation: ConfigFile<Escalation>;
  /**
   * What a reference of a runbook's `config` stands for, as plain JSON: `secrets/openai/api-key`, `services/shop`,
   * `notifications`, `escalation`. Never an address or a name of a person.
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
  const services = servicesFile(join(directory, 'services.yaml'), options);
  const notifications = notificationsFile(join(directory, 'notifications.yaml'), options);
  const escalation = escalationFile(join(directory, 'escalation.yaml'), access, options);
  return {
    access,
    secrets,
    services,
    notifications,
    escalation,
    resolve: (reference) => {
      const [kind, ...rest] = reference.split('/');
      switch (kind) {
        case 'secrets':
          return secrets.get().get(rest.join('/'));
        case 'services':
          return services.get().get(rest.join('/'));
        case 'notifications': {
          const { audiences, statusPage } = notifications.get();
          return { audiences, statusPage };
        }
        case 'escalation':
          return escalation.get();
        default:
          return undefined;
      }
    },
    references: () => [
      ...[...secrets.get().keys()].map((id) => `secrets/${id}`),
      ...[...services.get().keys()].map((id) => `services/${id}`),
      'notifications',
      'escalation',
    ],
  };
}
