import { type ControlEvent, EVENT_SCHEMA, KEY_SCHEMA, newRequestId } from '@gateway/protocol';

export function controlEvent(changeId = newRequestId()): ControlEvent {
  return {
    kind: 'control',
    schema: EVENT_SCHEMA,
    changeId,
    at: 1,
    actorKeyId: 'admin',
    action: 'key.created',
    key: {
      schema: KEY_SCHEMA,
      id: 'abc',
      tenant: 'default',
      name: 'a key',
      role: 'client',
      digest: '0'.repeat(64),
      createdAt: '2026-01-01T00:00:00Z',
    },
  };
}
