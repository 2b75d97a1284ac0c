/** `npm run simulator`: the provider simulator as a process of its own. */
import { parseArgs } from 'node:util';
import { directiveTable } from './directives.ts';
import { startSimulator } from './start-simulator.ts';

const PORT_DEFAULT = 8090;
const USAGE_EXIT_CODE = 64;

const help = `Usage: npm run simulator -- [--port ${PORT_DEFAULT}] [--host 127.0.0.1]
         [--first-byte-ms 0] [--tokens-per-second N] [--ledger FILE]

Speaks as OpenAI, Anthropic and Google do, with any key. GET /__simulator/ledger tells the calls,
DELETE forgets them. The text of a request that ends with "call <tool>" makes it call that tool.
Words in the model's name or in the last user text steer a single call:

${directiveTable}
`;

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: String(PORT_DEFAULT) },
    host: { type: 'string', default: '127.0.0.1' },
    'first-byte-ms': { type: 'string' },
    'tokens-per-second': { type: 'string' },
    ledger: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

type NumberFlag = 'port' | 'first-byte-ms' | 'tokens-per-second';

const wrong = (['port', 'first-byte-ms', 'tokens-per-second'] as const).filter(
  (name) => values[name] !== undefined && !/^\d+$/.test(values[name]),
);

function numberFlag(name: NumberFlag): number | undefined {
  return values[name] === undefined ? undefined : Number(values[name]);
}

async function run(): Promise<void> {
  const firstByteMs = numberFlag('first-byte-ms');
  const tokensPerSecond = numberFlag('tokens-per-second');
  const simulator = await startSimulator({
    port: numberFlag('port') ?? PORT_DEFAULT,
    host: values.host,
    ...(firstByteMs !== undefined && { firstByteMs }),
    ...(tokensPerSecond && { tokensPerSecond }),
    ...(values.ledger !== undefined && { ledgerFile: values.ledger }),
  });
  const { openai, anthropic, google } = simulator.baseUrls;
  // The gateway calls no provider without a key, and the simulator takes any.
  process.stdout.write(
    `OPENAI_BASE_URL=${openai}\nOPENAI_API_KEY=simulator\n` +
      `ANTHROPIC_BASE_URL=${anthropic}\nANTHROPIC_API_KEY=simulator\n` +
      `GOOGLE_AI_BASE_URL=${google}\nGOOGLE_AI_API_KEY=simulator\n`,
  );
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => void simulator.stop());
  }
}

if (values.help) {
  process.stdout.write(help);
} else if (wrong.length > 0) {
  process.stderr.write(`Not a whole number: ${wrong.map((name) => `--${name}`).join(', ')}\n`);
  process.exitCode = USAGE_EXIT_CODE;
} else {
  await run();
}
