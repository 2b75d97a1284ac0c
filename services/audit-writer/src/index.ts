export {
  type AuditWriter,
  type AuditWriterContext,
  type AuditWriterSettings,
  startAuditWriter,
} from './audit-writer.ts';
export { ADMISSIONS_MAX, type Admission } from './recent-admissions.ts';
