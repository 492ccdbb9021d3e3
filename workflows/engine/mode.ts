export type Mode = 'live' | 'rehearsal';

/** Namespace in which the server may skip time, and nothing live ever runs. Its name decides the mode of a run. */
export const REHEARSAL_NAMESPACE = 'rehearsal';

export function modeOf(namespace: string): Mode {
  return namespace === REHEARSAL_NAMESPACE ? 'rehearsal' : 'live';
}
