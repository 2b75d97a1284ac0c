/** Who serves a subject in a queue group. `Message` is what the hub hands over to one of them. */
export interface GroupMember<Message> {
  /** The bus it belongs to; what that bus sends never comes back to it. */
  readonly owner: object;
  take(message: Message): void;
}

interface Group<Message> {
  readonly name: string;
  /** Whose turn is next comes first. */
  readonly members: GroupMember<Message>[];
}

/** Members of queue groups by subject. Each message goes to one member of each group, in turn. */
export class QueueGroups<Message> {
  readonly #subjects = new Map<string, Group<Message>[]>();

  /** The result leaves the group. */
  join(subject: string, queueGroup: string, member: GroupMember<Message>): () => void {
    const { members } = this.#group(subject, queueGroup);
    members.push(member);
    return () => {
      const index = members.indexOf(member);
      if (index >= 0) members.splice(index, 1);
    };
  }

  /** False when nobody but the sender itself serves the subject. */
  send(subject: string, sender: object, message: Message): boolean {
    let taken = false;
    for (const { members } of this.#subjects.get(subject) ?? []) {
      const member = nextOf(members, sender);
      if (member === undefined) continue;
      member.take(message);
      taken = true;
    }
    return taken;
  }

  #group(subject: string, name: string): Group<Message> {
    const groups = this.#subjects.get(subject) ?? [];
    this.#subjects.set(subject, groups);
    let group = groups.find((one) => one.name === name);
    if (group === undefined) {
      group = { name, members: [] };
      groups.push(group);
    }
    return group;
  }
}

/** The first that is not the sender. It goes behind the others: the next message is for somebody else. */
function nextOf<Message>(
  members: GroupMember<Message>[],
  sender: object,
): GroupMember<Message> | undefined {
  for (let index = 0; index < members.length; index += 1) {
    const member = members[index] as GroupMember<Message>;
    if (member.owner === sender) continue;
    if (index < members.length - 1) {
      members.splice(index, 1);
      members.push(member);
    }
    return member;
  }
  return undefined;
}
