import type { Pool } from 'pg';
import { ulid } from 'ulid';
import { groupsOfEmail, type Access } from '../config/access.js';
import type { ConfigFile } from '../config/load.js';

/** Who people are and what they may do, at the moment of asking. Ids are opaque: `p_<ulid>`. */
export interface Directory {
  /** Groups at this moment; none for somebody who isn't, or is no longer, one of ours. */
  groupsOf(person: string): Promise<readonly string[]>;
  /** Name for people to read; undefined when nothing is known, or no longer, about the id. */
  nameOf(person: string): Promise<string | undefined>;
  /**
   * The id of one of our people by id, e-mail address, full name or first name, whatever the case.
   * undefined when nobody, or more than one, is called that.
   */
  personByName(name: string): Promise<string | undefined>;
  /** Whether the id is one of our people at this moment. */
  knows(person: string): Promise<boolean>;
}

export interface PeopleOptions {
  readonly pool: Pool;
  readonly access: ConfigFile<Access>;
  readonly org: string;
}

/**
 * Brings the table up to date with access.yaml. An id, once given, stays with its e-mail address; people who are no
 * longer listed keep their row, so that the record can still name them.
 */
export async function syncPeople({ pool, access, org }: PeopleOptions): Promise<void> {
  const { people } = access.get();
  await pool.query(
    `INSERT INTO engine.people (id, org, email, name, slack_ids)
     SELECT id, $1, email, name, ARRAY(SELECT jsonb_array_elements_text(slack))
     FROM jsonb_to_recordset($2::jsonb) AS listed(id text, email text, name text, slack jsonb)
     ORDER BY email
     ON CONFLICT (org, lower(email)) DO UPDATE SET name = excluded.name, slack_ids = excluded.slack_ids, updated_at = now()
     WHERE (people.name, people.slack_ids) IS DISTINCT FROM (excluded.name, excluded.slack_ids)`,
    [org, JSON.stringify(people.map((person) => ({ id: `p_${ulid()}`, ...person })))],
  );
}

/** The id of a listed person, by e-mail address. Somebody who was listed just now gets an id just now. */
export async function personByEmail(options: PeopleOptions, email: string): Promise<string | undefined> {
  const address = email.trim().toLowerCase();
  if (!isListed(options.access.get(), address)) return undefined;
  const find = async (): Promise<string | undefined> => {
    const { rows } = await options.pool.query<{ id: string }>(
      'SELECT id FROM engine.people WHERE org = $1 AND lower(email) = $2',
      [options.org, address],
    );
    return rows[0]?.id;
  };
  const id = await find();
  if (id !== undefined) return id;
  await syncPeople(options);
  return await find();
}

/** The people of access.yaml. */
export function databaseDirectory(options: PeopleOptions): Directory {
  const { pool, access, org } = options;
  const rowOf = async (person: string): Promise<{ email: string; name: string } | undefined> => {
    const { rows } = await pool.query<{ email: string; name: string }>(
      'SELECT email, name FROM engine.people WHERE org = $1 AND id = $2',
      [org, person],
    );
    return rows[0];
  };
  const directory: Directory = {
    groupsOf: async (person) => {
      const row = await rowOf(person);
      return row === undefined ? [] : groupsOfEmail(access.get(), row.email);
    },
    nameOf: async (person) => (await rowOf(person))?.name,
    personByName: async (name) => {
      const wanted = name.trim();
      if (wanted.startsWith('p_')) return (await directory.knows(wanted)) ? wanted : undefined;
      const matches = access.get().people.filter((entry) => isCalled(entry, wanted));
      const [match] = matches;
      return match !== undefined && matches.length === 1
        ? await personByEmail(options, match.email)
        : undefined;
    },
    knows: async (person) => {
      const row = await rowOf(person);
      return row !== undefined && isListed(access.get(), row.email);
    },
  };
  return directory;
}

/** Whether somebody is called that: address, full name or first name. */
export function isCalled(
  person: { readonly email?: string; readonly name: string },
  wanted: string,
): boolean {
  const text = wanted.toLowerCase();
  const name = person.name.toLowerCase();
  return person.email?.toLowerCase() === text || name === text || name.split(/\s+/)[0] === text;
}

function isListed({ people }: Access, email: string): boolean {
  return people.some((person) => person.email === email.toLowerCase());
}
