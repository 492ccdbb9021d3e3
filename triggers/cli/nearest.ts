/** The candidates that somebody probably meant, best first. */
export function nearest(wanted: string, candidates: readonly string[], most = 1): string[] {
  const text = wanted.toLowerCase();
  return candidates
    .map((candidate) => ({ candidate, distance: distanceOf(text, candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(candidate.length * 0.4)))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, most)
    .map(({ candidate }) => candidate);
}

/** ` Did you mean "x"?`, or nothing. */
export function didYouMean(wanted: string, candidates: readonly string[]): string {
  const [best] = nearest(wanted, candidates);
  return best === undefined ? '' : ` Did you mean "${best}"?`;
}

/** How far apart two words are; a word that contains the other, or begins like it, is near. */
function distanceOf(a: string, b: string): number {
  if (a.length >= 3 && b.includes(a)) return 1;
  return damerauLevenshtein(a.slice(0, 100), b.slice(0, 100));
}

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours. */
function damerauLevenshtein(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        at(i - 1, j) + 1,
        at(i, j - 1) + 1,
        at(i - 1, j - 1) + cost,
        isSwap ? at(i - 2, j - 2) + 1 : Infinity,
      );
    }
  }
  return at(a.length, b.length);
}
