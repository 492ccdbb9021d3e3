import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { answer, request, retryAfterMs, type RequestOptions } from '../../activities/http.js';
import { assertLeaksNothing, failureOf, fakeVendorAnswering, retryTable } from '../helpers/vendor.js';

const KEY = 'sk-secret-0123456789';
const options = {
  what: 'create key "x" at Vendor',
  headers: { authorization: `Bearer ${KEY}` },
  next: 'Look at the dashboard.',
};
const read = async (url: URL, more: Partial<RequestOptions> = {}) =>
  await answer(z.object({ id: z.string() }), await request(url, { ...options, ...more }), options.what);

describe('request', () => {
  test.each(retryTable)('HTTP $status: tried again $retryable, and the body is not quoted', async (row) => {
    const vendor = await fakeVendorAnswering({ status: row.status, body: { error: `Incorrect key ${KEY}` } });
    const failure = await failureOf(request(vendor.url, options));
    expect(failure.nonRetryable ?? false).toBe(!row.retryable);
    expect(failure.message).toContain(
      `create key "x" at Vendor: HTTP ${row.status} from ${vendor.url.host}.`,
    );
    expect(failure.message.includes(options.next)).toBe(!row.retryable);
    assertLeaksNothing(failure, [KEY]);
  });

  test("a vendor's own additions are tried again, and accepted statuses are handed back", async () => {
    const locked = await fakeVendorAnswering({ status: 409 });
    const failure = await failureOf(request(locked.url, { ...options, alsoRetry: [409] }));
    expect(failure.nonRetryable ?? false).toBe(false);
    expect((await request(locked.url, { ...options, accept: [409] })).status).toBe(409);
  });

  test('a redirect is not followed: it would carry the key elsewhere', async () => {
    const elsewhere = await fakeVendorAnswering({ body: { id: 'a' } });
    const vendor = await fakeVendorAnswering({ status: 307, headers: { location: elsewhere.url.href } });
    const failure = await failureOf(request(vendor.url, options));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(elsewhere.requests).toEqual([]);
  });

  test('a vendor that nobody reaches is tried again, and its address is named', async () => {
    const failure = await failureOf(request(new URL('http://127.0.0.1:1/'), options));
    expect(failure).toMatchObject({ type: 'VendorUnavailable' });
    expect(failure.message).toContain('127.0.0.1:1');
    assertLeaksNothing(failure, [KEY]);
  });

  test('silence ends at the time-out and is tried again', async () => {
    const vendor = await fakeVendorAnswering({ delay: 'never' });
    const failure = await failureOf(request(vendor.url, { ...options, timeoutMs: 40 }));
    expect(failure).toMatchObject({ type: 'VendorUnavailable' });
    expect(failure.message).toContain('no answer within 0.04 s');
  });

  test('a cancelled step stops waiting, and the cancellation is not mistaken for an outage', async () => {
    const vendor = await fakeVendorAnswering({ delay: 'never' });
    const controller = new AbortController();
    const call = request(vendor.url, { ...options, signal: controller.signal });
    controller.abort();
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('a key that no header can carry is refused without being quoted', async () => {
    const headers = { authorization: `Bearer ${KEY}\nrest` };
    const failure = await failureOf(request(new URL('http://127.0.0.1:1/'), { ...options, headers }));
    expect(failure).toMatchObject({ type: 'BadSecretValue', nonRetryable: true });
    assertLeaksNothing(failure, [KEY]);
  });

  test('JSON and forms are sent as what they are', async () => {
    const vendor = await fakeVendorAnswering({});
    await request(vendor.url, { ...options, method: 'POST', body: { a: 1 } });
    await request(vendor.url, { ...options, method: 'POST', body: new URLSearchParams({ a: '1' }) });
    await request(vendor.url, options);
    expect(vendor.requests.map(({ headers, body }) => [headers['content-type'], body])).toEqual([
      ['application/json', '{"a":1}'],
      ['application/x-www-form-urlencoded;charset=UTF-8', 'a=1'],
      [undefined, ''],
    ]);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  test.each([
    [null, undefined],
    ['7', 7000],
    ['0', 0],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Wed, 31 Dec 2025 23:59:00 GMT', 0],
    ['soon', undefined],
  ])('%o asks for %o ms', (header, expected) => {
    expect(retryAfterMs(header, now)).toBe(expected);
  });

  test('it decides when the step is tried again', async () => {
    const vendor = await fakeVendorAnswering({ status: 503, headers: { 'retry-after': '7' } });
    expect((await failureOf(request(vendor.url, options))).nextRetryDelay).toBe(7000);
  });

  test("zero leaves the pause to the step's own retry policy", async () => {
    const vendor = await fakeVendorAnswering({ status: 429, headers: { 'retry-after': '0' } });
    expect((await failureOf(request(vendor.url, options))).nextRetryDelay).toBeUndefined();
  });
});

describe('answer', () => {
  test('what the contract names is kept, the rest is dropped', async () => {
    const vendor = await fakeVendorAnswering({ body: { id: 'a', value: KEY } });
    expect(await read(vendor.url)).toEqual({ id: 'a' });
  });

  test.each([
    ['another shape', { value: KEY, id: [KEY] }, 'id: invalid_type'],
    ['no JSON', `<html>${KEY}</html>`, 'it is not JSON'],
    ['nothing', '', 'it is not JSON'],
  ])('%s is refused for good, by its place and not by its value', async (_, body, reason) => {
    const vendor = await fakeVendorAnswering({ body });
    const failure = await failureOf(read(vendor.url));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
    expect(failure.message).toContain(reason);
    assertLeaksNothing(failure, [KEY]);
  });

  test.each([
    ['cut', 'while reading the answer'],
    ['stall', 'the time ran out while reading the answer'],
  ] as const)('an answer that ends in the middle (%s) is tried again', async (then, reason) => {
    const vendor = await fakeVendorAnswering({ body: { id: KEY }, truncate: { bytes: 20, then } });
    const failure = await failureOf(read(vendor.url, { timeoutMs: 80 }));
    expect(failure).toMatchObject({ type: 'VendorUnavailable' });
    expect(failure.message).toContain(reason);
    assertLeaksNothing(failure, [KEY]);
  });

  test('a cancellation while reading is not mistaken for an outage', async () => {
    const vendor = await fakeVendorAnswering({ body: { id: KEY }, truncate: { bytes: 5, then: 'stall' } });
    const controller = new AbortController();
    const response = await request(vendor.url, { ...options, signal: controller.signal });
    const reading = answer(z.object({ id: z.string() }), response, options.what);
    controller.abort();
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
  });
});
