/** `openai` by way of responses, in whichever major it is given. */
import type OpenAI from 'openai';
import {
  type Answer,
  CITY_SCHEMA,
  type Client,
  PIXEL,
  type Question,
  type RunTool,
  type Session,
  WEATHER,
  WEATHER_PARAMETERS,
} from './client.ts';
import { type OpenaiModule, openaiErrors, openaiSession } from './openai-client.ts';

type Response = OpenAI.Responses.Response;
type Input = OpenAI.Responses.ResponseInput;

const tools: OpenAI.Responses.FunctionTool[] = [
  { type: 'function', ...WEATHER, parameters: WEATHER_PARAMETERS, strict: true },
];

function answerOf({ output_text: text, usage }: Response): Answer {
  return { text, inputTokens: usage?.input_tokens, outputTokens: usage?.output_tokens };
}

class ResponsesSession implements Session {
  readonly #client: OpenAI;

  constructor(client: OpenAI) {
    this.#client = client;
  }

  async ask({ model, text: input, signal }: Question): Promise<Answer> {
    const body = { model, input, store: false };
    return answerOf(await this.#client.responses.create(body, signal && { signal }));
  }

  async stream(question: Question, onText: (text: string) => void): Promise<Answer> {
    const { model, text: input, signal } = question;
    const stream = this.#client.responses.stream(
      { model, input, store: false },
      signal && { signal },
    );
    stream.on('response.output_text.delta', ({ delta }) => onText(delta));
    return answerOf(await stream.finalResponse());
  }

  async useTool(question: Question, run: RunTool): Promise<string> {
    return this.#roundTrip(question, run, (input) =>
      this.#client.responses.create({ model: question.model, input, tools, store: false }),
    );
  }

  async streamTool(question: Question, run: RunTool): Promise<string> {
    return this.#roundTrip(question, run, (input) =>
      this.#client.responses
        .stream({ model: question.model, input, tools, store: false })
        .finalResponse(),
    );
  }

  async structured({ model, text: input }: Question): Promise<unknown> {
    const format = {
      type: 'json_schema',
      name: 'city',
      schema: CITY_SCHEMA,
      strict: true,
    } as const;
    const body = { model, input, store: false, text: { format } };
    const { output_text: text } = await this.#client.responses.parse(body);
    return JSON.parse(text);
  }

  async see({ model, text }: Question): Promise<Answer> {
    const content: OpenAI.Responses.ResponseInputContent[] = [
      { type: 'input_text', text },
      { type: 'input_image', image_url: `data:image/png;base64,${PIXEL}`, detail: 'auto' },
    ];
    const input: Input = [{ role: 'user', content }];
    return answerOf(await this.#client.responses.create({ model, input, store: false }));
  }

  async #roundTrip(
    { text }: Question,
    run: RunTool,
    respond: (input: Input) => Promise<Response>,
  ): Promise<string> {
    const input: Input = [{ role: 'user', content: text }];
    const asked = await respond(input);
    const call = asked.output.find((item) => item.type === 'function_call');
    if (call === undefined) throw new Error('no tool was called');
    const output = run(JSON.parse(call.arguments).city);
    input.push(...(asked.output as Input), {
      type: 'function_call_output',
      call_id: call.call_id,
      output,
    });
    return answerOf(await respond(input)).text;
  }
}

export function openaiResponses(name: string, module: OpenaiModule): Client {
  return {
    name,
    ...openaiErrors(module),
    open: (options) => new ResponsesSession(openaiSession(module, options)),
  };
}
