import { isCalled, type Directory } from '../triggers/people.js';

export interface CastMember {
  readonly id: string;
  readonly name: string;
  readonly groups: readonly string[];
}

/** The people of every rehearsal. Their ids never change: rehearsals are compared with one another. */
export const CAST = [
  { id: 'p_01J0000000000000000000ADA0', name: 'Ada', groups: ['operators', 'on-call'] },
  { id: 'p_01J00000000000000000GRACE0', name: 'Grace', groups: ['approvers', 'security', 'technical-leads'] },
  { id: 'p_01J000000000000000000N0S00', name: 'Linus', groups: ['owners', 'managers'] },
  { id: 'p_01J0000000000000MARGARET00', name: 'Margaret', groups: ['approvers', 'operators', 'on-call'] },
  { id: 'p_01J0000000000000BARBARA000', name: 'Barbara', groups: ['legal'] },
  { id: 'p_01J00000000000000KATHER000', name: 'Katherine', groups: ['executives'] },
  { id: 'p_01J000000000000000EDSGER00', name: 'Edsger', groups: [] },
] as const satisfies readonly CastMember[];

export type CastName = (typeof CAST)[number]['name'];

/** The directory of a rehearsal. */
export function castDirectory(cast: readonly CastMember[] = CAST): Directory {
  const byId = new Map(cast.map((member) => [member.id, member]));
  return {
    groupsOf: async (person) => byId.get(person)?.groups ?? [],
    nameOf: async (person) => byId.get(person)?.name,
    personByName: async (name) => {
      const wanted = name.trim();
      return (byId.get(wanted) ?? cast.find((member) => isCalled(member, wanted)))?.id;
    },
    knows: async (person) => byId.has(person),
  };
}
