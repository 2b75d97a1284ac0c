export { withoutSecretsOfOthers } from './secrets-of-others.ts';
export { type Stack, type StackOptions, startStack } from './stack.ts';
