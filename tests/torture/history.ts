/** All that is known of a run once it is quiet. The checks are functions of this alone. */

/**
 * How a request ended for its client. `complete`: the whole answer. `refused`: a status of 400 or
 * more. `interrupted`: a stream that said an error. `broken`: a status, and then the connection ended
 * without a word. `unreachable`: no status. `left`: the client broke off. `silent`: its patience ended.
 */
export type ClientEnd =
  | 'complete'
  | 'refused'
  | 'interrupted'
  | 'broken'
  | 'unreachable'
  | 'left'
  | 'silent';

/** One line of the journal: what a client did and saw. Times are milliseconds since 1970. */
export interface JournalEntry {
  /** In the request's user agent, so that its row is found without an id. */
  readonly nonce: string;
  readonly ingress: string;
  readonly tenant: string;
  readonly keyId: string;
  readonly dialect: string;
  readonly model: string;
  readonly stream: boolean;
  /** The kind of request in the workload. */
  readonly kind: string;
  /** What the simulator was asked for; empty for nothing. */
  readonly directive: string;
  /** Equal for requests that may be given the same stored answer; empty for none. */
  readonly repeatedAs: string;
  readonly sentAt: number;
  readonly endedAt: number;
  readonly requestId?: string;
  readonly status?: number;
  readonly end: ClientEnd;
  readonly errorCode?: string;
  readonly errorMessage?: string;
  /** Of the text that the client put together: SHA-256 in hex, and UTF-16 units. */
  readonly contentDigest: string;
  readonly contentLength: number;
  /** The numbers of the provider's calls that the text is marked with. */
  readonly calls: readonly number[];
  readonly cache?: string;
  readonly attempts?: number;
  /** Canaries of other tenants that were in the answer. */
  readonly foreignCanaries: readonly string[];
}

/** A call as the provider has it on record. */
export interface ProviderCall {
  readonly id: number;
  readonly at: number;
  readonly vendor: string;
  readonly model: string;
  readonly requestId: string;
  readonly answerId?: string;
  readonly status?: number;
  readonly usage?: { readonly input: number; readonly output: number };
  readonly text: string;
  readonly lastWriteAt?: number;
  readonly endedAt: number;
  readonly ended: 'open' | 'complete' | 'cut' | 'aborted-by-client';
}

export interface AttemptRow {
  readonly attempt: number;
  readonly provider: string;
  readonly model: string;
  readonly upstreamStatus: number | null;
  readonly upstreamRequestId: string | null;
  readonly errorCode: string | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly usageSource: string;
  readonly assumed: boolean;
}

export interface RequestRow {
  readonly requestId: string;
  readonly nonce: string;
  readonly tenant: string;
  readonly keyId: string;
  /** Whether `received` has come. */
  readonly isReceived: boolean;
  /** Null while `finished` has not come. */
  readonly status: number | null;
  readonly ended: string | null;
  readonly errorCode: string | null;
  /** As `finished` counts them. */
  readonly attemptCount: number | null;
  readonly finishedAssumed: boolean;
  readonly attempts: readonly AttemptRow[];
  /** Canaries of any tenant in any column. */
  readonly canaries: readonly string[];
}

/** An event as JetStream stored it. */
export interface StoredEvent {
  readonly sequence: number;
  readonly at: number;
  readonly kind: 'received' | 'attempted' | 'finished';
  readonly requestId: string;
  readonly attempt: number | undefined;
}

export interface InjectedFault {
  /** The id of a process or server. */
  readonly target: string;
  readonly kind: string;
  readonly startedAt: number;
  /** When it was healed and the target answered again. */
  readonly endedAt: number;
}

export interface KeyLimits {
  readonly keyId: string;
  readonly tenant: string;
  readonly requests?: { readonly amount: number; readonly windowMs: number };
  readonly concurrency?: number;
}

export interface CachedAnswer {
  /** In the name of the stored answer. */
  readonly tenant: string;
  readonly canaries: readonly string[];
}

/** What is left when nothing happens any more. */
export interface QuietState {
  readonly pendingEvents: number;
  readonly storedEvents: number;
  readonly quarantinedEvents: number;
  /** Events that wait on the disks of the processes. */
  readonly spooledEvents: number;
  /** Slots of concurrency that are still taken. */
  readonly takenSlots: number;
}

export interface History {
  /** Of a request, all attempts together. */
  readonly deadlineMs: number;
  /** Canary of each tenant. */
  readonly canaries: Readonly<Record<string, string>>;
  readonly keys: readonly KeyLimits[];
  readonly journal: readonly JournalEntry[];
  readonly calls: readonly ProviderCall[];
  readonly rows: readonly RequestRow[];
  readonly events: readonly StoredEvent[];
  readonly faults: readonly InjectedFault[];
  readonly cached: readonly CachedAnswer[];
  readonly quiet: QuietState;
}

/** Something that must not be, with all that is needed to look for it. */
export interface Violation {
  /** Number of the invariant in the architecture, 1 to 8. */
  readonly invariant: number;
  readonly what: string;
  readonly nonce?: string;
  readonly requestId?: string;
}
