import { expect, test } from 'vitest';
import type { DeviceId, Digest, RolloutId } from '../../shared/core/ids.ts';
import { abortSticks } from './abort-sticks.ts';
import { activationsBounded } from './activations-bounded.ts';
import { auditHolds } from './audit-holds.ts';
import { generationsRise } from './generations-rise.ts';
import type { Observer, SeenDevice, SeenRollout, WorldLook } from './observer.ts';
import { allObservers } from './observers.ts';
import { signedModelsOnly } from './signed-models-only.ts';
import { wavesCapped } from './waves-capped.ts';
import { workingModelKept } from './working-model-kept.ts';

const digest = (digit: string): Digest => `sha256:${digit.repeat(64)}` as Digest;

const sound: SeenDevice = {
  device: 'edge-0' as DeviceId,
  upForMs: 60_000,
  running: digest('1'),
  held: [digest('1')],
  committed: digest('1'),
  activations: 1,
  issuedGeneration: 4,
  seenGeneration: 3,
};

const rollout = (
  state: { readonly kind: string; readonly wave?: number },
  offered: number,
  unreached = 0,
): SeenRollout => ({
  state: { id: 'rol-1' as RolloutId, assignment: { waveSizes: [1, 3] }, ...state } as never,
  ...{ offered, unreached },
});

const look = (change: Partial<WorldLook> = {}): WorldLook => ({
  ...{ nowMs: 0, signed: new Set([digest('1')]), auditFault: null },
  ...{ devices: [sound], rollouts: [rollout({ kind: 'running', wave: 0 }, 1)] },
  ...change,
});

const device = (change: Partial<SeenDevice>): WorldLook =>
  look({ devices: [{ ...sound, ...change }] });

/** What is seen one after the other; the last breaks the promise. */
const breaches: readonly (readonly [string, () => Observer, readonly WorldLook[]])[] = [
  ['an unsigned model answers', signedModelsOnly, [device({ running: digest('2') })]],
  ['a bundle is tried for ever', activationsBounded, [device({ activations: 4 })]],
  [
    'a proven device keeps nothing',
    workingModelKept,
    [look(), device({ held: [], committed: null })],
  ],
  ['a proven device stays silent', workingModelKept, [look(), device({ running: null })]],
  ['an issued generation goes back', generationsRise, [look(), device({ issuedGeneration: 3 })]],
  ['a seen generation goes back', generationsRise, [look(), device({ seenGeneration: 2 })]],
  [
    'a wave tells one more than it may',
    wavesCapped,
    [look({ rollouts: [rollout({ kind: 'running', wave: 1 }, 5, 1)] })],
  ],
  [
    'somebody is told after a halt',
    abortSticks,
    [
      look({ rollouts: [rollout({ kind: 'aborting' }, 1)] }),
      look({ rollouts: [rollout({ kind: 'aborted' }, 2)] }),
    ],
  ],
  [
    'a halted rollout runs again',
    abortSticks,
    [
      look({ rollouts: [rollout({ kind: 'aborted' }, 1)] }),
      look({ rollouts: [rollout({ kind: 'running', wave: 0 }, 1)] }),
    ],
  ],
  ['the audit chain is cut', auditHolds, [look({ auditFault: 'audit-cut' })]],
];

test.each(breaches)(
  'when %s, its observer says so once, and the others say nothing',
  (_title, open, looks) => {
    const observer = open();
    const said = looks.map((seen) => observer.look(seen).length);
    expect(said).toEqual([...looks.slice(1).map(() => 0), 1]);
    const others = allObservers().filter(({ name }) => name !== observer.name);
    expect(others.flatMap((other) => looks.flatMap((seen) => other.look(seen)))).toEqual([]);
  },
);

test('when nothing is wrong, no observer says anything, however often it looks', () => {
  const all = allObservers();
  const looks = [look(), look(), device({ upForMs: null, running: null, held: [] }), look()];
  expect(looks.flatMap((seen) => all.flatMap((observer) => observer.look(seen)))).toEqual([]);
});
