import { CancellationScope } from '@temporalio/workflow';

const scopes = new WeakSet<CancellationScope>();

/** Does something in the background: whatever it begins can tell by `inBackground`. */
export async function runInBackground(work: () => Promise<unknown>): Promise<unknown> {
  const scope = new CancellationScope();
  scopes.add(scope);
  return await scope.run(work);
}

/** Whether the code that asks is at work in the background of its run. */
export function inBackground(): boolean {
  let scope: CancellationScope | undefined = CancellationScope.current();
  while (scope !== undefined && !scopes.has(scope)) scope = scope.parent;
  return scope !== undefined;
}
