/** Those of `items` that bring something new: the fewest that are easily found. */
export function covering<T>(items: readonly T[], keysOf: (item: T) => readonly string[]): T[] {
  const seen = new Set<string>();
  const byMost = [...items].sort((a, b) => new Set(keysOf(b)).size - new Set(keysOf(a)).size);
  return byMost.filter((item) => {
    const fresh = keysOf(item).filter((key) => !seen.has(key));
    for (const key of fresh) seen.add(key);
    return fresh.length > 0;
  });
}

/** The first one for each key. */
export function firstOfEach<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  const byKey = new Map<string, T>();
  for (const item of items) if (!byKey.has(keyOf(item))) byKey.set(keyOf(item), item);
  return [...byKey.values()];
}
