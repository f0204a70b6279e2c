import type { Clock } from '../../../shared/ports/clock.ts';
import type { Log } from '../../../shared/ports/log.ts';
import type { Random } from '../../../shared/ports/random.ts';
import type { InputConfig } from '../../config.ts';
import type { InputSource } from '../../ports/input-source.ts';
import { readFirstLine } from '../config-file.ts';
import { LocalTopic } from './local-topic.ts';
import { ReplayFiles } from './replay-files.ts';
import { WatchedFolder } from './watched-folder.ts';

export interface SourceWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Names this device at a local broker. */
  readonly device: string;
}

/** The sources of the configuration, in its order. Throws `config-invalid` for a password file that cannot be read. */
export async function openSources(
  inputs: readonly InputConfig[],
  world: SourceWorld,
): Promise<readonly InputSource[]> {
  const sources: InputSource[] = [];
  for (const [place, input] of inputs.entries()) {
    sources.push(await openSource(input, { ...world, place }));
  }
  return sources;
}

async function openSource(
  input: InputConfig,
  world: SourceWorld & { readonly place: number },
): Promise<InputSource> {
  const { clock, random, log, device, place } = world;
  const { app } = input;
  switch (input.kind) {
    case 'folder': {
      const { folder, answers, labels = 'none' } = input;
      return new WatchedFolder({ app, folder, answers, labels, clock });
    }
    case 'replay': {
      const { paths = [], list, perSecond, labels = 'none' } = input;
      return new ReplayFiles({ app, paths, list, perSecond, labels, clock, log });
    }
    case 'topic': {
      const { url, topic, answerTopic, username, passwordFile } = input;
      const password = passwordFile === undefined ? '' : await readFirstLine(passwordFile);
      const login = username === undefined ? undefined : { username, password };
      const clientId = `skein-${device}-${place}`;
      return new LocalTopic({ app, url, topic, answerTopic, clientId, login, clock, random, log });
    }
  }
}
