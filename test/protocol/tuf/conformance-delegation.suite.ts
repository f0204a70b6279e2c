import { expect, test } from 'vitest';
import { limits } from '../../../shared/contracts/limits.ts';
import { utf8 } from '../../../shared/core/bytes.ts';
import { sha256Hex } from '../../../shared/trust/hash.ts';
import { withConformance } from '../../support/tuf-conformance-client.ts';
import type { DelegationDraft, TufRepository } from '../../support/tuf-repository.ts';

type Edge = readonly [from: string, to: string, options?: Partial<DelegationDraft>];

/** A graph of delegations and the roles visited for a path that nobody knows, in order. */
const graphs: readonly [string, readonly Edge[], readonly string[]][] = [
  ['basic-delegation', [['targets', 'A']], ['A']],
  [
    'single-level',
    [
      ['targets', 'A'],
      ['targets', 'B'],
    ],
    ['A', 'B'],
  ],
  [
    'two-level',
    [
      ['targets', 'A'],
      ['targets', 'B'],
      ['B', 'C'],
    ],
    ['A', 'B', 'C'],
  ],
  [
    'two-level-DFS-order',
    [
      ['targets', 'A'],
      ['targets', 'B'],
      ['A', 'C'],
      ['A', 'D'],
    ],
    ['A', 'C', 'D', 'B'],
  ],
  [
    'three-level-DFS-order',
    [
      ['targets', 'A'],
      ['targets', 'B'],
      ['A', 'C'],
      ['C', 'D'],
    ],
    ['A', 'C', 'D', 'B'],
  ],
  [
    'two-level-terminating-ignores-all-but-descendants',
    [
      ['targets', 'A'],
      ['targets', 'B'],
      ['A', 'C', { terminating: true }],
      ['A', 'D'],
    ],
    ['A', 'C'],
  ],
  [
    'three-level-terminating-ignores-all-but-descendants',
    [
      ['targets', 'A'],
      ['targets', 'B'],
      ['A', 'C', { terminating: true }],
      ['C', 'D'],
    ],
    ['A', 'C', 'D'],
  ],
  [
    'two-level-ignores-branches-not-matching',
    [
      ['targets', 'A', { paths: ['*.py'] }],
      ['targets', 'B'],
      ['A', 'C'],
    ],
    ['B'],
  ],
  [
    'three-level-ignores-branches-not-matching',
    [
      ['targets', 'A'],
      ['targets', 'B'],
      ['A', 'C', { paths: ['*.py'] }],
      ['C', 'D'],
    ],
    ['A', 'B'],
  ],
  [
    'cyclic-graph',
    [
      ['targets', 'A'],
      ['targets', 'B'],
      ['B', 'C'],
      ['C', 'D'],
      ['D', 'B'],
    ],
    ['A', 'B', 'C', 'D'],
  ],
  [
    'two-roles-delegating-to-a-third',
    [
      ['targets', 'A'],
      ['targets', 'B'],
      ['B', 'C'],
      ['A', 'C'],
    ],
    ['A', 'C', 'B'],
  ],
  [
    'two-roles-delegating-to-a-third-different-paths',
    [
      ['targets', 'A'],
      ['targets', 'B'],
      ['B', 'C'],
      ['A', 'C', { paths: ['*.py'] }],
    ],
    ['A', 'B', 'C'],
  ],
  // Names that a plain object would sort to the front.
  [
    'integer-like-names-keep-their-order',
    [
      ['targets', '2'],
      ['targets', '1'],
    ],
    ['2', '1'],
  ],
  [
    'terminating-way-to-a-visited-role',
    [
      ['targets', 'A'],
      ['A', 'B'],
      ['B', 'A', { terminating: true }],
      ['targets', 'C'],
    ],
    ['A', 'B'],
  ],
];

test.each(graphs)(
  'given the graph %s, roles are visited pre-order and depth first [graph_traversal]',
  (_, edges, order) =>
    withConformance(async ({ repo, client }) => {
      publishGraph(repo, edges);
      await client.init();
      expect(await client.download('missingpath')).toBe(1);
      expect(client.explained).toMatch(/^tuf-target-not-found/);
      // Roles with two delegators were published once more when the second key came.
      expect(repo.requests.slice(4)).toEqual(order.map((role) => `${role} 1`));
    }),
);

const tree: readonly Edge[] = [
  ['targets', 'A', { paths: ['*.doc', '*.md'] }],
  ['targets', 'B', { paths: ['releases/*/*'] }],
  ['B', 'C', { paths: ['releases/x/*'] }],
  ['B', 'D', { paths: ['releases/y/*.zip'] }],
];

test.each([
  ['targetfile', true, []],
  ['README.md', true, ['A']],
  ['releases/x/x_v1', true, ['B', 'C']],
  ['releases/y/y_v1.zip', true, ['B', 'D']],
  ['releases/z/z_v1.zip', false, ['B']],
])(
  'given the path %s, it is found: %s, by way of %j [targetfile_search]',
  (path, isFound, visited) =>
    withConformance(async ({ repo, client }) => {
      publishGraph(repo, tree, () => {
        repo.addArtifact('targets', 'targetfile', 'by targets');
        repo.addArtifact('A', 'README.md', 'by A');
        repo.addArtifact('C', 'releases/x/x_v1', 'by C');
        repo.addArtifact('D', 'releases/y/y_v1.zip', 'by D');
        repo.addArtifact('D', 'releases/z/z_v1.zip', 'not for D to sign');
      });
      await client.init();
      expect(await client.download(path)).toBe(isFound ? 0 : 1);
      const content = Buffer.from(repo.artifacts.get(path) ?? []).toString();
      expect(await client.downloaded()).toEqual(isFound ? [content] : []);
      expect(repo.requests.slice(4)).toEqual(visited.map((role) => `${role} 1`));
    }),
);

test.each(['?', '#', '/delegatedrole', '../delegatedrole', '.', '..', 'ROOT', 'ünïcode role'])(
  'given a role named "%s", it is quoted in the URL and harmless as a file [unusual_role_name]',
  (name) =>
    withConformance(async ({ repo, client }) => {
      publishGraph(repo, [['targets', name]]);
      await client.init();
      expect(await client.download('nonexistent')).toBe(1);
      expect(repo.requests).toContain(`${encodeURIComponent(name)} 1`);
      expect(await client.trustedRoles()).toHaveLength(5);
    }),
);

test.each(['root', 'snapshot', 'timestamp', 'targets'])(
  'given a delegation to a role named %s, its delegator is refused',
  (name) =>
    withConformance(async ({ repo, client }) => {
      await client.init();
      repo.targetsOf('targets').delegations.push({
        name,
        keyIds: [],
        threshold: 1,
        terminating: false,
        extra: {},
        paths: ['*'],
      });
      repo.publish('targets', 'snapshot', 'timestamp');
      expect(await client.refresh()).toBe(1);
      expect(client.explained).toMatch(/^tuf-malformed-metadata/);
    }),
);

test('given a cached role and a second delegator with other keys, it is verified again [cached_role_is_verified_against_current_delegator]', () =>
  withConformance(async ({ repo, client }) => {
    publishGraph(
      repo,
      [
        ['targets', 'A', { paths: ['a/*'] }],
        ['targets', 'B', { paths: ['b/*'] }],
        ['A', 'C', { paths: ['a/*'] }],
        ['B', 'C', { paths: ['b/*'] }],
      ],
      () => {
        repo.addArtifact('C', 'a/file', 'for A');
        repo.addArtifact('C', 'b/file', 'for B');
        // Only A's key for C signs: B asks for one that never did.
        const [first] = repo.targetsOf('C').signers;
        repo.targetsOf('C').signers.clear();
        if (first !== undefined) repo.targetsOf('C').signers.set(...first);
      },
    );
    await client.init();
    expect(await client.download(['a/file', 'b/file'])).toBe(1);
    expect(client.explained).toMatch(/^tuf-threshold-targets: C/);
    expect(await client.downloaded()).toEqual(['for A']);
    expect(await client.download('b/file')).toBe(1);
    expect(await client.download('a/file')).toBe(0);
  }));

test("given a delegator that rotated the role's key, the cached copy no longer counts", () =>
  withConformance(async ({ repo, client }) => {
    repo.addDelegation('targets', { name: 'A' });
    repo.addArtifact('A', 'file', 'old');
    repo.publish('A', 'targets', 'snapshot', 'timestamp');
    await client.init();
    expect(await client.download('file')).toBe(0);
    const [delegation] = repo.targetsOf('targets').delegations;
    const next = repo.newSigner();
    repo.targetsOf('targets').delegatedKeys.set(next.key.keyId, next.key.json);
    if (delegation !== undefined) delegation.keyIds = [next.key.keyId];
    repo.publish('targets', 'snapshot', 'timestamp');
    expect(await client.download('file')).toBe(1);
    expect(client.explained).toMatch(/^tuf-threshold-targets: A/);
  }));

test('given a listed delegated role that is not served, the search ends (5.6.7)', () =>
  withConformance(async ({ repo, client }) => {
    publishGraph(
      repo,
      [
        ['targets', 'A'],
        ['targets', 'B'],
      ],
      () => {
        repo.addArtifact('B', 'file', 'behind A');
      },
    );
    repo.published.delete('A');
    await client.init();
    expect(await client.download('file')).toBe(1);
    expect(client.explained).toMatch(/^tuf-missing-metadata: A/);
  }));

test('given more delegated roles than the limit, the search stops there', () =>
  withConformance(async ({ repo, client }) => {
    const many = limits.tufDelegationsMax + 3;
    publishGraph(
      repo,
      Array.from({ length: many }, (_, i): Edge => ['targets', `r${i}`]),
      () => repo.addArtifact(`r${many - 1}`, 'file', 'too far'),
    );
    await client.init();
    expect(await client.download('file')).toBe(1);
    expect(client.explained).toMatch(/^tuf-too-many-delegations/);
    expect(repo.requests.slice(4)).toHaveLength(limits.tufDelegationsMax);
  }));

test('given hash-prefix delegations, a path goes to the role of its hash', () =>
  withConformance(async ({ repo, client }) => {
    const prefix = sha256Hex(utf8('file')).slice(0, 2);
    const other = prefix === '00' ? '01' : '00';
    publishGraph(
      repo,
      [
        ['targets', 'A', { pathHashPrefixes: [other] }],
        ['targets', 'B', { pathHashPrefixes: [other, prefix] }],
      ],
      () => repo.addArtifact('B', 'file', 'hashed'),
    );
    await client.init();
    expect(await client.download('file')).toBe(0);
    expect(repo.requests.slice(4)).toEqual(['B 1']);
  }));

test.each([1, 4, 5])(
  'given succinct roles of %i bits, the path picks its bin (TAP 15)',
  (bitLength) =>
    withConformance(async ({ repo, client }) => {
      repo.addSuccinctRoles('targets', bitLength, 'bin');
      const head = Number.parseInt(sha256Hex(utf8('file')).slice(0, 8), 16);
      const bin = (head >>> (32 - bitLength)).toString(16).padStart(Math.ceil(bitLength / 4), '0');
      repo.addArtifact(`bin-${bin}`, 'file', 'binned');
      repo.publish(...[...repo.targets.keys()].reverse(), 'snapshot', 'timestamp');
      await client.init();
      expect(await client.download('file')).toBe(0);
      expect(repo.requests.slice(4)).toEqual([`bin-${bin} 1`]);
    }),
);

/** Publishes each delegated role once, as version 1, and the top after it. */
function publishGraph(repo: TufRepository, edges: readonly Edge[], prepare?: () => void): void {
  for (const [from, to, options] of edges) {
    if (!repo.targets.has(from)) repo.addDelegation('targets', { name: from, paths: [] });
    repo.addDelegation(from, { name: to, ...options });
  }
  prepare?.();
  const delegated = [...repo.targets.keys()].filter((name) => name !== 'targets');
  repo.publish(...delegated, 'targets', 'snapshot', 'timestamp');
}
