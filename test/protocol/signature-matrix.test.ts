import { beforeAll, describe, expect, test } from 'vitest';
import { topLevelRoles } from '../../shared/trust/tuf/metadata.ts';
import {
  audiences,
  delegatedRoles,
  type Matrix,
  messageKinds,
  oneKey,
  ownKeys,
  payloadKinds,
  signatureMatrix,
} from '../support/signed-artefacts.ts';

/** One row per thing that is signed anywhere in the house; a kind that is added to the contracts adds its row. */
const names = [
  ...payloadKinds.map((kind) => `envelope ${kind}`),
  ...[...topLevelRoles, ...delegatedRoles].map((role) => `metadata ${role}`),
  ...audiences.map((audience) => `token ${audience}`),
  ...messageKinds.map((kind) => `message ${kind}`),
];

const worlds = [
  ['every purpose has its own key', ownKeys],
  ['one key stands in every role', oneKey],
] as const;

describe.each(worlds)('given that %s', (_title, seedOf) => {
  let matrix: Matrix;

  beforeAll(async () => {
    matrix = await signatureMatrix(seedOf);
  });

  test('the table has each artefact once, and a verifier for each', () => {
    expect(matrix.artefacts.map(({ name }) => name).sort()).toEqual([...names].sort());
    const expected = matrix.verifiers.flatMap(({ expects }) => expects ?? []);
    expect(expected.sort()).toEqual([...names].sort());
  });

  test.each(names)('when %s is shown to every verifier, only its own accepts it', async (name) => {
    const artefact = matrix.artefacts.find((known) => known.name === name);
    const accepting: string[] = [];
    for (const verifier of matrix.verifiers) {
      if (await verifier.accepts(artefact?.bytes ?? new Uint8Array()))
        accepting.push(verifier.name);
    }
    const own = matrix.verifiers.filter(({ expects }) => expects === name);
    expect(accepting).toEqual(own.map((verifier) => verifier.name));
    expect(own).toHaveLength(1);
  });
});
