/** Who serves a subject in a queue group. `Message` is what the hub hands over to one of them. */
export interface GroupMember<Message> {
  /** The bus it belongs to; what that bus sends never comes back to it. */
  readonly owner: object;
  take(message: Message): void;
}

/** Members of queue groups by subject. Each message goes to one member of each group, in turn. */
export class QueueGroups<Message> {
  readonly #subjects = new Map<string, Map<string, GroupMember<Message>[]>>();

  /** The result leaves the group. */
  join(subject: string, queueGroup: string, member: GroupMember<Message>): () => void {
    const groups = this.#subjects.get(subject) ?? new Map<string, GroupMember<Message>[]>();
    this.#subjects.set(subject, groups);
    const members = groups.get(queueGroup) ?? [];
    groups.set(queueGroup, members);
    members.push(member);
    return () => {
      const index = members.indexOf(member);
      if (index >= 0) members.splice(index, 1);
    };
  }

  /** False when nobody but the sender itself serves the subject. */
  send(subject: string, sender: object, message: Message): boolean {
    let taken = false;
    for (const members of this.#subjects.get(subject)?.values() ?? []) {
      const index = members.findIndex((member) => member.owner !== sender);
      const [member] = index < 0 ? [] : members.splice(index, 1);
      if (!member) continue;
      // Behind the others: the next message is for somebody else.
      members.push(member);
      member.take(message);
      taken = true;
    }
    return taken;
  }
}
