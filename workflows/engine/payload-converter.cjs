const { defaultPayloadConverter } = require('@temporalio/common');

/**
 * Temporal's own converter, but for payloads that can't be decoded: they become a value that no schema of ours
 * accepts. Anybody with access to Temporal can send a signal; one with a broken payload would otherwise fail every
 * workflow task of its run, before our handlers could refuse it. CommonJS, because the SDK loads it with `require`.
 */
exports.payloadConverter = {
  toPayload: (value) => defaultPayloadConverter.toPayload(value),
  fromPayload: (payload) => {
    try {
      return defaultPayloadConverter.fromPayload(payload);
    } catch (error) {
      return { undecodable: error instanceof Error ? error.name : 'unknown' };
    }
  },
};
