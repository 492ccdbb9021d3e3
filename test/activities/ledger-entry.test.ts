import { createHash, createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  eventKey,
  InvalidEntry,
  leafBytes,
  parseLeaf,
  type LedgerEntry,
} from '../../activities/ledger/entry.js';
import { commitmentOf, hex, leafHash } from '../../activities/ledger/hash.js';
import { common, everyKind, HASH, intent, outcome } from './ledger-sample.js';

const text = (entry: LedgerEntry) => new TextDecoder().decode(leafBytes(entry));

describe('the bytes of an entry', () => {
  test('are RFC 8785: sorted keys, no blanks, UTF-8', () => {
    expect(text({ ...common, kind: 'gate.reminded', gate: 'Freigabe für "Ü\\€"' })).toBe(
      '{"at":"2026-08-21T09:00:00.000Z","gate":"Freigabe für \\"Ü\\\\€\\"","kind":"gate.reminded","mode":"rehearsal",' +
        '"org":"default","run":"default.secret-rotation.20260821-abcdefgh","runbook":"secretRotation","v":1,' +
        '"virtual":"2026-08-22T09:00:00.000Z"}',
    );
  });

  test.each(Object.values(everyKind))('$kind can be stored and read again', (entry) => {
    expect(parseLeaf(leafBytes(entry))).toEqual(entry);
  });

  test('do not depend on the order in which the fields were written', () => {
    const reversed = Object.fromEntries(Object.entries(intent()).reverse()) as LedgerEntry;
    expect(text(reversed)).toBe(text(intent()));
  });

  test('have the hash of an RFC 6962 leaf', async () => {
    // https://www.rfc-editor.org/rfc/rfc6962#section-2.1; the empty leaf's hash is the one in the RFC's reference tests.
    expect(hex(await leafHash(new Uint8Array()))).toBe(
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
    const leaf = leafBytes(intent());
    const expected = createHash('sha256')
      .update(Buffer.concat([Buffer.of(0), leaf]))
      .digest('hex');
    expect(hex(await leafHash(leaf))).toBe(expected);
  });

  test('are at most 65,535, and the longest is accepted', () => {
    const people = (n: number): LedgerEntry => ({
      ...everyKind['undo.started'],
      steps: Array.from({ length: n }, (_, i) => `undo/${String(i).padStart(291, '0')}`),
    });
    expect(leafBytes(people(218)).length).toBeLessThanOrEqual(65_535);
    expect(() => leafBytes(people(230))).toThrow(/undo\.started.*more than 65535/);
    const base = leafBytes(people(217)).length;
    const exact = (rest: number): LedgerEntry => {
      const entry = people(217);
      if (entry.kind !== 'undo.started') throw new Error('unreachable');
      return { ...entry, steps: [...entry.steps, 'x'.repeat(150), 'y'.repeat(rest - 150 - 6)] };
    };
    const room = 65_535 - base;
    expect(leafBytes(exact(room)).length).toBe(65_535);
    expect(() => leafBytes(exact(room + 1))).toThrow(InvalidEntry);
  });
});

describe('an entry is refused', () => {
  test.each([
    ['with an unknown field', { ...intent(), comment: 'x' }, 'unknown field comment'],
    ['of an unknown kind', { ...intent(), kind: 'step.dreamt' }, 'kind'],
    ['without its organisation', { ...intent(), org: undefined }, 'org'],
    ['with half a surrogate pair', intent({ step: 'a\ud800' }), 'step'],
    ['with a control character', intent({ step: 'a\u0000' }), 'step'],
    [
      'with a name where a person id belongs',
      { ...everyKind['message.accepted'], person: 'Ada Lovelace' },
      'person',
    ],
    ['with a sentence where a failure type belongs', outcome({ error: 'key sk-123 was refused' }), 'error'],
    [
      'with a text where a commitment belongs',
      { ...everyKind['message.received'], reason: 'because' },
      'reason',
    ],
    ['with a local time', intent({ at: '2026-08-21T09:00:00+02:00' }), 'at'],
    ['with attempt 0', intent({ attempt: 0 }), 'attempt'],
    ['with half an attempt', intent({ attempt: 1.5 }), 'attempt'],
    ['of version 2', { ...intent(), v: 2 }, 'v'],
  ])('%s', (_, entry, named) => {
    expect(() => leafBytes(entry as LedgerEntry)).toThrow(InvalidEntry);
    expect(() => leafBytes(entry as LedgerEntry)).toThrow(named);
  });

  test('without quoting what it holds', () => {
    const error = (() => {
      try {
        leafBytes(outcome({ error: 'sk-canary refused' }));
      } catch (e) {
        return String(e);
      }
      return '';
    })();
    expect(error).toContain('error');
    expect(error).not.toContain('canary');
  });
});

describe('stored bytes are refused', () => {
  const bytes = (value: string) => new TextEncoder().encode(value);
  test.each([
    ['that are no UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d), 'UTF-8'],
    ['that are no JSON', bytes('{'), 'JSON'],
    ['with a blank that canonical JSON does not have', bytes(` ${text(intent())}`), 'canonical'],
    [
      'with a field twice',
      bytes(text(intent()).replace('{', '{"at":"2020-01-01T00:00:00.000Z",')),
      'canonical',
    ],
    ['with a byte order mark', bytes(`\ufeff${text(intent())}`), 'JSON'],
  ])('%s', (_, leaf, reason) => {
    expect(() => parseLeaf(leaf)).toThrow(reason);
  });
});

test('the keys of all entries that happen once in a run differ', () => {
  const once = Object.values(everyKind).filter(
    (entry) => !/^(question\.|gate\.(reminded|escalated))/.test(entry.kind),
  ) as Parameters<typeof eventKey>[0][];
  const keys = once.map(eventKey);
  expect(new Set(keys).size).toBe(once.length);
  expect(eventKey(intent({ round: 2, attempt: 3 }))).toBe(`${common.run}/step/openai.createKey#1/2.3/intent`);
});

test('a commitment is HMAC-SHA-256 under its salt', async () => {
  const salt = new Uint8Array(32).fill(7);
  const content = new TextEncoder().encode('the reason');
  expect(await commitmentOf(salt, content)).toBe(createHmac('sha256', salt).update(content).digest('hex'));
  expect(await commitmentOf(new Uint8Array(32).fill(8), content)).not.toBe(await commitmentOf(salt, content));
  await expect(commitmentOf(new Uint8Array(16), content)).rejects.toThrow('32 bytes');
  expect(HASH).toHaveLength(64);
});
