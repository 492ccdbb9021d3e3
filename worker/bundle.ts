import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type Logger } from '@temporalio/worker';
import { PAYLOAD_CONVERTER } from './connection.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ZOD_STUB = fileURLToPath(new URL('../workflows/engine/zod-stub.ts', import.meta.url));
const RECORDER = fileURLToPath(new URL('../workflows/engine/interceptors.ts', import.meta.url));
const QUIET: Logger = {
  log: () => undefined,
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (message) => process.stderr.write(`${message}\n`),
};

export interface WorkflowBundle {
  readonly code: string;
  /** First 16 hex digits of the hash of the code without its source map: the same in every folder. */
  readonly buildId: string;
  readonly codeHash: string;
  /** Hash of the whole file, source map included: what the archive checks. */
  readonly fileHash: string;
}

/**
 * Bundles workflow code reproducibly, with zod stubbed out and the replay recorder in it.
 * @param interceptorModules more files with workflow interceptors, after the recorder
 */
export async function bundleWorkflows(
  workflowsPath = fileURLToPath(new URL('../workflows/bundle.ts', import.meta.url)),
  interceptorModules: readonly string[] = [],
): Promise<WorkflowBundle> {
  const { code } = await bundleWorkflowCode({
    workflowsPath,
    workflowInterceptorModules: [RECORDER, ...interceptorModules],
    payloadConverterPath: PAYLOAD_CONVERTER,
    logger: QUIET,
    webpackConfigHook: (config) => ({
      ...config,
      // Module ids must not depend on the folder the process was started in.
      context: ROOT,
      resolve: { ...config.resolve, alias: { ...config.resolve?.alias, zod$: ZOD_STUB } },
    }),
  });
  return identify(code);
}

/** The identity of a bundle's code. */
export function identify(code: string): WorkflowBundle {
  const codeHash = sha256(code.replace(/\/\/# sourceMappingURL=.*$/m, ''));
  return { code, codeHash, fileHash: sha256(code), buildId: codeHash.slice(0, 16) };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
