export { type IngressSettings, readIngressSettings } from './config.ts';
export { type Ingress, startIngress } from './ingress.ts';
export { BOOTSTRAP_TENANT, KeyDirectory } from './key-directory.ts';
