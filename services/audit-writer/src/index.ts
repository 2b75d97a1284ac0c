export {
  type AuditWriter,
  type AuditWriterContext,
  type AuditWriterSettings,
  startAuditWriter,
} from './audit-writer.ts';
export { readAuditGrace } from './config.ts';
export { ADMISSIONS_MAX, type Admission } from './recent-admissions.ts';
