/** The text of docs/parameters.md: what becomes of each parameter, from the tables of the dialects. */
import {
  GEMINI_PARAMETER_SUPPORT,
  MESSAGES_PARAMETER_SUPPORT,
  MESSAGES_PARAMETERS_REFUSED,
  PARAMETER_SUPPORT,
  RESPONSES_PARAMETER_SUPPORT,
  RESPONSES_PARAMETERS_REFUSED,
  type Support,
} from '@gateway/dialects';

/** The columns, in their order: a provider by the best dialect that it speaks. */
const PROVIDERS = {
  responses: 'OpenAI',
  chat: 'OpenAI-compatible',
  messages: 'Anthropic',
  gemini: 'Google',
} as const;

export type ProviderKind = keyof typeof PROVIDERS;
export type Fate = Support | 'passed';
type ChatParameter = keyof typeof PARAMETER_SUPPORT;

export interface ClientPage {
  readonly title: string;
  readonly parameters: Readonly<Record<string, Support>>;
  /** The providers that get the client's bytes. */
  readonly passing: readonly ProviderKind[];
  /** What no provider gets, whatever it speaks. */
  readonly refused: readonly string[];
  /**
   * The chat completion's parameter that one becomes, where providers differ in it. What all of them
   * understand need not be here.
   */
  readonly becomes: Readonly<Record<string, ChatParameter>>;
}

/** What the hub knows and a server of chat completions does not. */
const UNKNOWN_TO_CHAT: readonly ChatParameter[] = ['top_k'];

export const CLIENTS = {
  chat: {
    title: 'Chat completions: `POST /v1/chat/completions`',
    parameters: Object.fromEntries(
      Object.keys(PARAMETER_SUPPORT).map((key) => [key, 'translated']),
    ),
    passing: ['responses', 'chat'],
    refused: [],
    becomes: Object.fromEntries(
      (Object.keys(PARAMETER_SUPPORT) as ChatParameter[]).map((key) => [key, key]),
    ),
  },
  responses: {
    title: 'Responses: `POST /v1/responses`',
    parameters: RESPONSES_PARAMETER_SUPPORT,
    passing: ['responses'],
    refused: Object.keys(RESPONSES_PARAMETERS_REFUSED),
    becomes: { user: 'user' },
  },
  messages: {
    title: 'Messages: `POST /v1/messages`',
    parameters: MESSAGES_PARAMETER_SUPPORT,
    passing: ['messages'],
    refused: Object.keys(MESSAGES_PARAMETERS_REFUSED),
    becomes: { top_k: 'top_k', metadata: 'user', service_tier: 'service_tier' },
  },
  gemini: {
    title: 'Gemini: `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`',
    parameters: GEMINI_PARAMETER_SUPPORT,
    passing: ['gemini'],
    refused: [],
    becomes: {
      'generationConfig.topK': 'top_k',
      'generationConfig.candidateCount': 'n',
      'generationConfig.seed': 'seed',
      'generationConfig.presencePenalty': 'presence_penalty',
      'generationConfig.frequencyPenalty': 'frequency_penalty',
    },
  },
} as const satisfies Record<string, ClientPage>;

/** What becomes of a parameter on its way to a provider. */
export function fateOf(client: ClientPage, name: string, provider: ProviderKind): Fate {
  if (client.refused.includes(name)) return 'refused';
  if (client.passing.includes(provider)) return 'passed';
  const support = client.parameters[name] ?? 'dropped';
  const chatName = client.becomes[name];
  if (support !== 'translated' || chatName === undefined) return support;
  if (provider === 'messages' || provider === 'gemini')
    return PARAMETER_SUPPORT[chatName][provider];
  return UNKNOWN_TO_CHAT.includes(chatName) ? 'dropped' : 'translated';
}

const INTRODUCTION = `# What becomes of each parameter

<!-- Written by tests/docs; do not edit. To write it again: cd tests && npx vitest run docs -u -->

Where the provider speaks the client's dialect, the request is **passed**: its bytes, unknown fields included, with the
model's name replaced. Elsewhere each parameter is

- **translated**: it reaches the provider in the provider's own terms;
- **dropped**: left out without a word, since it does not change what the answer is;
- **refused**: answered with 400 and the name of the parameter, since the answer would be another than was asked for. A
  value that asks for what every answer is anyway, such as \`n: 1\` or \`logprobs: false\`, is no reason to refuse.

A parameter that is not in the table is dropped where it is not passed. A translated parameter may have a value that the
provider has no word for, such as a tool that only its own vendor runs: that is refused with the path of the value.`;

function table(client: ClientPage): string {
  const kinds = Object.keys(PROVIDERS) as ProviderKind[];
  const rows = Object.keys(client.parameters).map((name) => [
    `\`${name}\``,
    ...kinds.map((provider) => fateOf(client, name, provider)),
  ]);
  const head = ['parameter', ...kinds.map((kind) => PROVIDERS[kind])];
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return `## ${client.title}\n\n${lines.join('\n')}`;
}

export function parameterPage(): string {
  return `${[INTRODUCTION, ...Object.values(CLIENTS).map(table)].join('\n\n')}\n`;
}
