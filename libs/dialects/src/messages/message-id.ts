const PREFIX = 'msg_';

/** The id of a message. One of a provider that speaks another dialect gets the form that clients expect. */
export function messageId(id: string): string {
  return id.startsWith(PREFIX) ? id : PREFIX + id.replace(/^chatcmpl-/, '');
}
