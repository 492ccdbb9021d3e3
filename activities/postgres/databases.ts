import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { connected, maintenance, type Target } from './connection.js';
import type { DatabaseCall } from './contract.js';

const quoted = (name: string): string => pg.escapeIdentifier(name);
const literal = (text: string): string => pg.escapeLiteral(text);
/** Between two rounds of ending connections, in milliseconds. */
const ROUND_MS = 200;

/** Which of these databases exist. */
export async function existing(
  target: Target,
  names: readonly string[],
  what: string,
  call: DatabaseCall,
): Promise<ReadonlySet<string>> {
  return await connected(maintenance(target), what, call, async (client) => {
    const { rows } = await client.query<{ datname: string }>(
      'select datname from pg_database where datname = any($1)',
      [names],
    );
    return new Set(rows.map(({ datname }) => datname));
  });
}

/** Drops a database with all connections to it. One that is not there is fine. */
export async function dropDatabase(
  target: Target,
  name: string,
  what: string,
  call: DatabaseCall,
): Promise<void> {
  await connected(maintenance(target), what, call, async (client) => {
    await client.query(`drop database if exists ${quoted(name)} with (force)`);
  });
}

/** Makes an empty database with the owner, the encoding, the settings and the privileges of another one. */
export async function createLike(
  target: Target,
  name: string,
  what: string,
  call: DatabaseCall,
): Promise<void> {
  await connected(maintenance(target), what, call, async (client) => {
    await client.query(`drop database if exists ${quoted(name)} with (force)`);
    await client.query(
      `create database ${quoted(name)} template template0 ${await propertiesOf(client, target.name)}`,
    );
    await client.query('begin');
    await copyPrivileges(client, target.name, name);
    await copySettings(client, target.name, name);
    await client.query('commit');
  });
}

/** By `datlocprovider`; the C library needs no more than collation and character type. */
const PROVIDERS: Readonly<Record<string, (locale: string) => string>> = {
  i: (locale) => ` locale_provider icu icu_locale ${locale}`,
  b: (locale) => ` locale_provider builtin builtin_locale ${locale}`,
};

async function propertiesOf(client: pg.Client, name: string): Promise<string> {
  // The columns of the locale are called differently from version to version.
  const { rows } = await client.query<{
    owner: string;
    encoding: string;
    collation: string;
    ctype: string;
    provider: string;
    locale: string;
    limit: number;
  }>(
    `select pg_get_userbyid(datdba) as owner, pg_encoding_to_char(encoding) as encoding,
      datcollate as collation, datctype as ctype, datconnlimit as limit,
      coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') as provider,
      coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', '') as locale
    from pg_database d where datname = $1`,
    [name],
  );
  const [found] = rows;
  if (found === undefined) throw new Error(`The server has no database ${name}.`);
  const { owner, encoding, collation, ctype, provider, locale, limit } = found;
  return (
    `owner ${quoted(owner)} encoding ${literal(encoding)} lc_collate ${literal(collation)} ` +
    `lc_ctype ${literal(ctype)} connection limit ${limit}${PROVIDERS[provider]?.(literal(locale)) ?? ''}`
  );
}

async function copyPrivileges(client: pg.Client, from: string, to: string): Promise<void> {
  const { rows } = await client.query<{ grantee: string; privilege: string; grantable: boolean }>(
    `select case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as grantee,
      privilege_type as privilege, is_grantable as grantable
    from pg_database d, aclexplode(d.datacl) where datname = $1`,
    [from],
  );
  if (rows.length === 0) return;
  await client.query(`revoke all on database ${quoted(to)} from public`);
  for (const { grantee, privilege, grantable } of rows) {
    const option = grantable ? ' with grant option' : '';
    await client.query(`grant ${privilege} on database ${quoted(to)} to ${grantee}${option}`);
  }
}

async function copySettings(client: pg.Client, from: string, to: string): Promise<void> {
  const { rows } = await client.query<{ role: string | null; setting: string }>(
    `select r.rolname as role, unnest(s.setconfig) as setting
    from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
      left join pg_roles r on r.oid = s.setrole
    where d.datname = $1`,
    [from],
  );
  for (const { role, setting } of rows) {
    const [name = ''] = setting.split('=', 1);
    // Lists such as search_path keep their quotes this way.
    await client.query('select set_config($1, $2, true)', [name, setting.slice(name.length + 1)]);
    const whose = role === null ? `database ${quoted(to)}` : `role ${quoted(role)} in database ${quoted(to)}`;
    await client.query(`alter ${whose} set ${quoted(name)} from current`);
  }
}

/**
 * Renames databases, all of them or none, and ends the connections to them.
 * While a rename waits nobody can connect anew: the server holds new connections back.
 */
export async function renameAll(
  target: Target,
  renames: readonly (readonly [from: string, to: string])[],
  what: string,
  call: DatabaseCall,
): Promise<void> {
  const names = renames.map(([from]) => from);
  await connected(maintenance(target), what, call, async (ender) => {
    const swapped = new AbortController();
    const endConnections = async (): Promise<void> => {
      while (!swapped.signal.aborted) {
        await ender.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = any($1) and pid <> pg_backend_pid() and backend_type in ('client backend', 'walsender')`,
          [names],
        );
        await pause(ROUND_MS);
      }
    };
    const ending = endConnections();
    try {
      await connected(maintenance(target), what, call, async (client) => {
        await client.query('begin');
        for (const [from, to] of renames) {
          await client.query(`alter database ${quoted(from)} rename to ${quoted(to)}`);
        }
        await client.query('commit');
      });
    } finally {
      swapped.abort();
      await ending;
    }
  });
}
