import { ApplicationFailure } from '@temporalio/common';

/**
 * Stands for zod in the workflow bundle, where schemas are only carried along: zod itself would cost a megabyte of
 * memory per cached run. Building a schema works and means nothing; parsing fails, because inputs are parsed by
 * `engine.admit`.
 */
const PARSERS = new Set(['parse', 'safeParse', 'parseAsync', 'safeParseAsync', 'toJSONSchema']);

const schema: unknown = new Proxy(() => undefined, {
  get(_target, property) {
    if (property === 'then' || typeof property === 'symbol') return undefined;
    if (PARSERS.has(property)) {
      return () => {
        throw ApplicationFailure.nonRetryable(
          'Schemas are not parsed in a workflow; engine.admit does.',
          'NoParsing',
        );
      };
    }
    return schema;
  },
  apply: () => schema,
});

export const z = schema;
export default schema;
