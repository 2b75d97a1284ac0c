/** Subjects of the JetStream API and of KV buckets (ADR-8 of NATS) that are used directly. */
import type { BucketName } from './subjects.ts';

/** The stream that a bucket is kept in. */
export function bucketStream(bucket: BucketName): string {
  return `KV_${bucket}`;
}

/** The subject of one key, or of all with `>`. */
export function bucketSubject(bucket: BucketName, key: string): string {
  return `$KV.${bucket}.${key}`;
}

export const jetStreamSubjects = {
  streamInfo: (stream: string) => `$JS.API.STREAM.INFO.${stream}`,
  consumerInfo: (stream: string, consumer: string) => `$JS.API.CONSUMER.INFO.${stream}.${consumer}`,
  createConsumer: (stream: string, consumer: string) =>
    `$JS.API.CONSUMER.CREATE.${stream}.${consumer}`,
  deleteConsumer: (stream: string, consumer: string) =>
    `$JS.API.CONSUMER.DELETE.${stream}.${consumer}`,
  pull: (stream: string, consumer: string) => `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
  lastOfSubject: (stream: string, subject: string) => `$JS.API.DIRECT.GET.${stream}.${subject}`,
} as const;
