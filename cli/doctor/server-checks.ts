import { createDecoder } from '../../shared/codec/validator.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { type Problem, ProblemSchema } from '../../shared/contracts/problem.ts';
import { attempt, type Finding, failed, isCatalogued, well } from './finding.ts';

/** One answer of a server, whatever its status. */
export interface ServerAnswer {
  readonly status: number;
  readonly bytes: Uint8Array;
  /** Its `Date`. */
  readonly dateMs: number | undefined;
}

/** Throws `connect-failed`, `tls-untrusted` or `response-too-large`. */
export type AskServer = (path: string, bearer?: string) => Promise<ServerAnswer>;

const decodeProblem = createDecoder(ProblemSchema, limits.cliAnswerBytesMax);

export function checkHealth(origin: string, ask: AskServer): Promise<Finding> {
  return attempt('server', 'connect-failed', async () => {
    const answer = await ask('/readyz');
    if (answer.status === 200) return well('server', `${origin} takes work`);
    return refused('server', answer, `${origin} is not ready`);
  });
}

/** `readToken` throws what is wrong with the file itself. */
export function checkToken(ask: AskServer, readToken: () => Promise<string>): Promise<Finding> {
  return attempt('token', 'connect-failed', async () => {
    const answer = await ask('/api/v1/whoami', await readToken());
    if (answer.status !== 200) return refused('token', answer, 'the server refuses the token');
    const { name, role, fleets } = JSON.parse(new TextDecoder().decode(answer.bytes)) as {
      readonly name: string;
      readonly role: string;
      readonly fleets: readonly string[];
    };
    return well('token', `${name}, ${role} of ${fleets.join(', ') || 'all fleets'}`);
  });
}

function refused(check: string, answer: ServerAnswer, message: string): Finding {
  const problem = decodeProblem(answer.bytes);
  if (!problem.ok) return failed(check, 'fetch-failed', `${message}: status ${answer.status}`);
  const { code, detail, title } = problem.value satisfies Problem;
  const known = isCatalogued(code) ? code : 'fetch-failed';
  return failed(check, known, `${message}: ${detail ?? title}`);
}

/** `dial` answers with how the line is protected. */
export function checkBroker(url: string, dial: () => Promise<string>): Promise<Finding> {
  return attempt('broker', 'connect-failed', async () =>
    well('broker', `${url} accepts connections, ${await dial()}`),
  );
}
