import { createDecoder } from '../../shared/codec/validator.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { type Problem, ProblemSchema } from '../../shared/contracts/problem.ts';
import { isPlaintextAway } from '../api/plaintext-url.ts';
import { attempt, type Finding, failed, isCatalogued, skipped, warning, well } from './finding.ts';

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
    if (answer.status === 200) return lineOf('server', origin, `${origin} takes work`);
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
    lineOf('broker', url, `${url} accepts connections, ${await dial()}`),
  );
}

/** A line to another machine that anybody can listen to is told each time; somebody has said --insecure-plaintext. */
const lineOf = (check: string, url: string, message: string): Finding =>
  isPlaintextAway(url) ? warning(check, 'plaintext-door', message) : well(check, message);

/** What the server says of its own doors: from here one may look encrypted that is open elsewhere. */
export function checkDoors(ask: AskServer, readToken: () => Promise<string>): Promise<Finding> {
  return attempt('doors', 'connect-failed', async () => {
    const answer = await ask('/metrics', await readToken());
    if (answer.status === 403) return skipped('doors', 'only a token that sees all fleets may ask');
    if (answer.status !== 200) return refused('doors', answer, 'the server refuses its metrics');
    const page = new TextDecoder().decode(answer.bytes);
    const doors = [...page.matchAll(/^skein_plaintext_listener\{door="([a-z]+)"\} ([01])$/gm)];
    const open = doors.filter(([, , isOpen]) => isOpen === '1').map(([, door = '']) => door);
    if (doors.length === 0) return skipped('doors', 'the server says nothing about its doors');
    return open.length === 0
      ? well('doors', `${doors.length} doors are on loopback or have TLS`)
      : warning('doors', 'plaintext-door', `open beyond loopback without TLS: ${open.join(', ')}`);
  });
}
