import { OperatingError } from '../../shared/core/operating-error.ts';
import { ok } from '../../shared/core/result.ts';
import { digestOf } from '../../shared/trust/hash.ts';
import { readToken, valueOrEnd } from '../bundle/command-end.ts';
import { answer, endWith, type OutputForm } from '../bundle/output.ts';
import { exitCodes } from '../exit-code.ts';
import {
  publishRoot,
  type ServeRoot,
  serveInFolder,
  verifyAgainstTrusted,
} from './publish-root.ts';
import {
  proposalPath,
  readOptional,
  trustedRootPath,
  type Workspace,
  writeDurably,
} from './workspace.ts';

export interface PublishFlags {
  readonly server?: string;
  readonly tokenFile?: string;
  readonly to?: string;
  readonly output: OutputForm;
}

/** `skein keys publish`: the signed proposal becomes the root that is served and that this home trusts. */
export async function publish(home: Workspace, flags: PublishFlags): Promise<void> {
  const path = proposalPath(home, 'root');
  const proposal = await readOptional(path);
  if (proposal === undefined) return endWith(exitCodes.notFound, `no proposal ${path}`);
  const { serve, where } = await openPlace(flags);
  const { body } = valueOrEnd(await publishRoot(home, { proposal, serve }));
  const digest = digestOf(proposal);
  answer(flags.output, { version: body.version, digest, where }, [
    ['root version', `${body.version} is published in ${where}`],
    ['digest', digest],
  ]);
}

async function openPlace({
  server,
  tokenFile,
  to,
}: PublishFlags): Promise<{ readonly serve: ServeRoot; readonly where: string }> {
  if (to !== undefined && server === undefined) return { serve: serveInFolder(to), where: to };
  if (server === undefined || to !== undefined) {
    return endWith(exitCodes.usage, 'say --server with --token-file, or --to');
  }
  const token = await readToken(tokenFile);
  if (token === undefined) return endWith(exitCodes.usage, '--server needs --token-file');
  // No key is open here, and none was: the network comes in only now.
  const { HttpPublisher } = await import('../bundle/http-publisher.ts');
  const publisher = new HttpPublisher({ origin: server, token });
  const serve: ServeRoot = async (name, bytes) => {
    try {
      await publisher.putMetadata(name, bytes);
    } catch (cause) {
      const hasNoRoot = cause instanceof OperatingError && cause.code === 'route-unknown';
      if (!hasNoRoot) throw cause;
      const message = `${server} has no root yet: its first one is its rootFile, put there by hand`;
      throw new OperatingError('tuf-no-root', message, { cause });
    }
    return ok(undefined);
  };
  return { serve, where: server };
}

export interface TrustFlags {
  readonly digest: string;
  readonly output: OutputForm;
}

/** `skein keys trust`: what others have signed, under a digest that did not travel with the file. */
export async function trust(home: Workspace, file: string, flags: TrustFlags): Promise<void> {
  const bytes = await readOptional(file);
  if (bytes === undefined) return endWith(exitCodes.notFound, `no file ${file}`);
  const digest = digestOf(bytes);
  if (digest !== flags.digest) {
    throw new OperatingError('root-mismatch', `${file} is ${digest}, not ${flags.digest}`);
  }
  const { version } = valueOrEnd(await verifyAgainstTrusted(home, bytes)).body;
  await writeDurably(trustedRootPath(home), bytes);
  answer(flags.output, { version, digest }, [['trusted', `root ${version}, ${digest}`]]);
}
