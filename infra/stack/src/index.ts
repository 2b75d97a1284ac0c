export { loadSecrets, type StackSecrets } from './secrets.ts';
export { withoutSecretsOfOthers } from './secrets-of-others.ts';
export {
  goRuntime,
  type ServerAddresses,
  type StackServers,
  serviceEnvironment,
  startServers,
} from './servers.ts';
export { type Stack, type StackOptions, startStack } from './stack.ts';
