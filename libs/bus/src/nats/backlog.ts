import {
  type ConsumerDefinition,
  GatewayError,
  jetStreamSubjects,
  streams,
  subjects,
} from '@gateway/protocol';
import { z } from 'zod';
import type { Backlog } from '../bus.ts';
import { decodeJson, encodeJson } from '../calls/call-messages.ts';
import type { RequestMux } from './request-mux.ts';

const BACKLOG_TIMEOUT_MS = 2_000;

const consumerInformation = z.object({ num_pending: z.number(), num_ack_pending: z.number() });
const streamInformation = z.object({
  state: z.object({ subjects: z.record(z.string(), z.number()).optional() }),
});

/** Throws `bus_unavailable` when JetStream does not say. */
export async function readBacklog(
  mux: RequestMux,
  { stream, durable }: ConsumerDefinition,
): Promise<Backlog> {
  const quarantine = subjects.quarantine(durable);
  const timeoutMs = BACKLOG_TIMEOUT_MS;
  try {
    const [consumer, quarantined] = await Promise.all([
      mux.request({ subject: jetStreamSubjects.consumerInfo(stream, durable), timeoutMs }),
      mux.request({
        subject: jetStreamSubjects.streamInfo(streams.quarantine.name),
        payload: encodeJson({ subjects_filter: quarantine }),
        timeoutMs,
      }),
    ]);
    const waiting = decodeJson(consumerInformation, consumer.data);
    const { state } = decodeJson(streamInformation, quarantined.data);
    return {
      pending: waiting.num_pending + waiting.num_ack_pending,
      quarantined: state.subjects?.[quarantine] ?? 0,
    };
  } catch (cause) {
    throw new GatewayError('bus_unavailable', 'The message bus is not available.', {
      detail: `the backlog of ${durable} is not known`,
      cause,
    });
  }
}
