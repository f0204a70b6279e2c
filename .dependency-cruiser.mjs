/**
 * The walls of the house: docs/architecture.md names the rooms, this file keeps them apart.
 * Each rule's comment says what breaks if the wall falls.
 */
const test = '\\.test\\.ts$';
const npmOrNode = { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'core'] };
const pureRoom =
  '^(shared/core|(agent|fleet-server)/(core|runner|ports)|agent/supervisor/(core|runner)|shared/ports|sim/(world|faults|workloads|invariants))/';

/** One package lives in one folder: [package, where it may be imported]. */
const confined = {
  // Nowhere: its types are taken, and it is not there when the program runs.
  typebox: '(?!)',
  ajv: '^shared/codec/',
  tweetnacl: '^(shared/trust|cli/keys)/',
  '@tufjs/models': '^shared/trust/',
  '@tufjs/canonical-json': '^shared/trust/',
  mqtt: '^shared/adapters/mqtt/',
  aedes: '^fleet-server/adapters/broker/',
  kysely: '^fleet-server/adapters/sql/',
  'better-sqlite3': '^fleet-server/adapters/sql/',
  'onnxruntime-node': '^(shared/runtime|firmware-bundles)/',
  '@bufbuild/protobuf': '^firmware-bundles/onnx/',
  pino: '^shared/adapters/',
  'prom-client': '^(shared|agent|fleet-server)/adapters/',
  jose: '^fleet-server/adapters/',
  commander: '^cli/',
  fastify: '^(fleet-server/http|agent/serving)/',
};

const confinement = Object.entries(confined).map(([name, home]) => ({
  name: `confined-${name.replace(/[@/]/g, '-')}`,
  comment: `${name} touches the world in one place only.`,
  severity: 'error',
  from: { pathNot: [home, '^(test|bench)/', test] },
  to: { path: `^node_modules/${name}/`, dependencyTypesNot: ['type-only'] },
}));

export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'A cycle has no first file to read.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      comment: 'A file nobody imports is dead or lost.',
      severity: 'error',
      from: {
        orphan: true,
        pathNot: [test, '\\.config\\.ts$', '\\.mjs$', '^test/', '^bench/', '/ports/', '^cli/'],
      },
      to: {},
    },
    {
      name: 'no-unresolved',
      severity: 'error',
      comment:
        'An import that does not resolve fails on a clean machine; dist/ is built before tests run.',
      from: {},
      to: { couldNotResolve: true, pathNot: '/dist/' },
    },
    {
      name: 'only-declared-packages',
      severity: 'error',
      comment: 'A package that another one happened to bring leaves without notice.',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'pure-rooms-import-no-package',
      comment: 'This is what lets the simulator run the real code.',
      severity: 'error',
      from: { path: pureRoom, pathNot: test },
      to: { ...npmOrNode },
    },
    {
      name: 'shared-core-stands-alone',
      severity: 'error',
      comment: 'The innermost room.',
      from: { path: '^shared/core/', pathNot: test },
      to: { pathNot: '^shared/core/' },
    },
    {
      name: 'contracts-and-codec',
      severity: 'error',
      comment: 'Schemas and the one validator know nothing of the house but its nouns.',
      from: { path: '^shared/(contracts|codec)/', pathNot: test },
      to: { pathNot: '^shared/(core|contracts|codec)/|^node_modules/(typebox|ajv)/' },
    },
    {
      name: 'stats-are-pure',
      severity: 'error',
      comment: 'Statistics are arithmetic.',
      from: { path: '^shared/stats/', pathNot: test },
      to: { pathNot: '^shared/(core|stats)/' },
    },
    {
      name: 'trust-takes-keys-and-time-as-arguments',
      severity: 'error',
      comment: 'A verifier that can reach the network or the clock can be fooled through them.',
      from: { path: '^shared/trust/', pathNot: test },
      to: {
        pathNot:
          '^shared/(core|contracts|trust|ports)/|^(node:)?crypto$|^node_modules/(tweetnacl|@tufjs|@types/node)/',
      },
    },
    {
      name: 'core-decides-alone',
      severity: 'error',
      comment: 'Cores import nouns and policies, never what performs them.',
      from: { path: '^(agent|fleet-server)/core/', pathNot: test },
      to: {
        path: '^(agent|fleet-server)/(?!core/)|^shared/(?!core|contracts|stats|trust|ports/)',
        pathNot: '/ports/',
      },
    },
    {
      name: 'core-uses-port-types-only',
      severity: 'error',
      comment: 'A core that holds a port value performs instead of deciding.',
      from: { path: '^(agent|fleet-server)/core/', pathNot: test },
      to: { path: '/ports/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'ports-are-types',
      severity: 'error',
      comment: 'Ports name nouns from contracts or their own core model.',
      from: { path: '(^|/)ports/', pathNot: test },
      to: { pathNot: '^shared/(core|contracts|ports)/|/ports/|^(agent|fleet-server)/core/' },
    },
    {
      name: 'runners-reach-the-world-through-ports',
      severity: 'error',
      comment: 'A runner with an adapter cannot be simulated.',
      from: { path: '/runner/', pathNot: test },
      to: {
        path: '/adapters/|^fleet-server/http/|^agent/serving/|^shared/(adapters|runtime)/|main\\.ts$',
      },
    },
    {
      name: 'adapters-do-not-import-runners',
      severity: 'error',
      comment: 'Adapters are called; they never call back into the house.',
      from: { path: '/adapters/|^shared/runtime/', pathNot: test },
      to: { path: '/runner/|^fleet-server/http/|^agent/serving/|main\\.ts$' },
    },
    {
      name: 'front-doors-call-runners',
      severity: 'error',
      comment: 'A route is one call into a runner.',
      from: { path: '^(fleet-server/http|agent/serving)/', pathNot: test },
      to: { path: '/adapters/|^shared/runtime/' },
    },
    {
      name: 'agent-and-server-are-strangers',
      severity: 'error',
      comment: 'They share a contract, not code.',
      from: { path: '^(agent|fleet-server)/', pathNot: test },
      to: { path: '^(agent|fleet-server)/', pathNot: '^$1/' },
    },
    {
      name: 'shared-takes-no-side',
      severity: 'error',
      comment: 'What both sides obey cannot depend on one of them.',
      from: { path: '^shared/', pathNot: test },
      to: { path: '^(agent|fleet-server)/' },
    },
    {
      name: 'the-supervisor-has-no-packages',
      severity: 'error',
      comment: 'What must always be able to kill and restart cannot hang in foreign code.',
      from: { path: '^agent/supervisor/', pathNot: test },
      to: { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer'] },
    },
    {
      name: 'the-product-never-imports-its-tools',
      severity: 'error',
      comment: 'What a device needs from the workshop arrives in a bundle.',
      from: { path: '^(agent|fleet-server|shared)/', pathNot: test },
      to: { path: '^(sim|cli|test|bench|firmware-bundles)/' },
    },
    {
      name: 'the-workshop-knows-only-shared',
      severity: 'error',
      comment: 'Bundles are made without a server or an agent.',
      from: { path: '^firmware-bundles/', pathNot: test },
      to: { path: '^(agent|fleet-server|sim|cli|test|bench)/' },
    },
    {
      name: 'the-world-has-no-adapters',
      severity: 'error',
      comment:
        'A simulated run that touches a real adapter is not reproducible; the SQL adapter is the one exception.',
      from: { path: '^sim/(world|faults|workloads|invariants)/', pathNot: test },
      to: {
        path: '/adapters/|/http/|/serving/|main\\.ts$|^cli/|^test/|^shared/runtime/',
        pathNot: '^fleet-server/adapters/sql/|^shared/runtime/memory/',
      },
    },
    {
      name: 'nobody-imports-main',
      severity: 'error',
      comment: 'main.ts composes; only the command line starts it.',
      from: { pathNot: '^(cli|test|bench)/' },
      to: { path: '/main\\.ts$' },
    },
    {
      name: 'no-attics',
      severity: 'error',
      comment: 'A room named for its vagueness collects what nobody placed.',
      from: {},
      to: { path: '^(?!node_modules).*/(utils?|helpers?|common|lib|managers?)(/|\\.ts$)' },
    },
    ...confinement,
  ],
  options: {
    // Packages stay in the graph, all of them: one that is left out could be imported anywhere unseen.
    exclude: { path: '^(dist|coverage)/' },
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default'],
      extensions: ['.ts', '.mjs', '.js'],
    },
  },
};
