/** Every header of a bus message. No other file holds such a literal. */
export const headers = {
  /** Marks a reply whose value is an error. */
  error: 'Gateway-Error',
  /** Why an event is in quarantine, and the subject that it was published on. */
  quarantineReason: 'Gateway-Quarantine-Reason',
  originalSubject: 'Gateway-Original-Subject',
  /** JetStream stores a message id once within the duplicate window of the stream. */
  messageId: 'Nats-Msg-Id',
  /** Sequence in its stream of a message that was read directly. */
  sequence: 'Nats-Sequence',
  /** `DEL` or `PURGE` on a bucket's entry that marks a deleted key. */
  bucketOperation: 'KV-Operation',
} as const;
