import { Agent, OpenAIProvider, Runner, tool } from '@openai/agents';
import OpenAI from 'openai';
import { z } from 'zod';
import {
  type Answer,
  type Client,
  PIXEL,
  type Question,
  type RunTool,
  type Session,
  WEATHER,
} from './client.ts';
import { describeClient } from './client-suite.ts';
import { openaiErrors, openaiSession } from './openai-client.ts';

const city = z.object({ city: z.string(), inhabitants: z.number().int() });

class AgentSession implements Session {
  readonly #runner: Runner;

  constructor(client: OpenAI, useResponses: boolean) {
    const modelProvider = new OpenAIProvider({ openAIClient: client, useResponses });
    this.#runner = new Runner({ modelProvider, tracingDisabled: true });
  }

  async ask({ model, text }: Question): Promise<Answer> {
    return answerOf(await this.#runner.run(new Agent({ name: 'asked', model }), text));
  }

  async stream(question: Question, onText: (text: string) => void): Promise<Answer> {
    const { model, text, signal } = question;
    const agent = new Agent({ name: 'streaming', model });
    const result = await this.#runner.run(agent, text, { stream: true, ...(signal && { signal }) });
    for await (const piece of result.toTextStream()) onText(piece);
    await result.completed;
    if (result.error) throw result.error;
    return answerOf(result);
  }

  async useTool({ model, text }: Question, run: RunTool): Promise<string> {
    return answerOf(await this.#runner.run(agentWithTool(model, run), text)).text;
  }

  async streamTool({ model, text }: Question, run: RunTool): Promise<string> {
    const result = await this.#runner.run(agentWithTool(model, run), text, { stream: true });
    await result.completed;
    return answerOf(result).text;
  }

  async structured({ model, text }: Question): Promise<unknown> {
    const agent = new Agent({ name: 'structured', model, outputType: city });
    return (await this.#runner.run(agent, text)).finalOutput;
  }

  async see({ model, text }: Question): Promise<Answer> {
    const agent = new Agent({ name: 'seeing', model });
    const image = `data:image/png;base64,${PIXEL}`;
    const result = await this.#runner.run(agent, [
      {
        role: 'user',
        content: [
          { type: 'input_text', text },
          { type: 'input_image', image },
        ],
      },
    ]);
    return answerOf(result);
  }
}

interface Result {
  readonly finalOutput?: unknown;
  readonly rawResponses: readonly {
    readonly usage: { readonly inputTokens: number; readonly outputTokens: number };
  }[];
}

function answerOf({ finalOutput, rawResponses }: Result): Answer {
  const usage = rawResponses.at(-1)?.usage;
  return {
    text: String(finalOutput),
    inputTokens: usage?.inputTokens,
    outputTokens: usage?.outputTokens,
  };
}

function agentWithTool(model: string, run: RunTool) {
  const weather = tool({
    ...WEATHER,
    parameters: z.object({ city: z.string() }),
    execute: async ({ city: wanted }) => run(wanted),
  });
  return new Agent({ name: 'with a tool', model, tools: [weather] });
}

function agents(name: string, useResponses: boolean): Client {
  return {
    name: `@openai/agents, ${name}`,
    ...openaiErrors(OpenAI),
    open: (options) => new AgentSession(openaiSession(OpenAI, options), useResponses),
  };
}

describeClient(agents('responses', true));
describeClient(agents('chat completions', false));
