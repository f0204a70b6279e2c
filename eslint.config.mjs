import tseslint from 'typescript-eslint';

/** Rooms that the simulator runs unchanged: nothing in them may ask the machine for time, chance or I/O. */
const pureRooms = [
  '**/core/**/*.ts',
  '**/runner/**/*.ts',
  '**/ports/**/*.ts',
  'shared/{contracts,codec,stats,trust}/**/*.ts',
  'agent/supervisor/{core,runner}/**/*.ts',
  'sim/{world,faults,workloads,invariants}/**/*.ts',
];

const bannedGlobals = [
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'performance',
  'fetch',
  'Intl',
  'crypto',
  'process',
  'globalThis',
  'Atomics',
  'WeakRef',
  'FinalizationRegistry',
].map((name) => ({ name, message: 'Pure rooms take time, network and locale as arguments.' }));

const bannedProperties = [
  ['Date', 'now', 'Take nowMs from the Clock port or the context.'],
  ['Math', 'random', 'Take randomness from the Random port.'],
  ['Math', 'pow', 'It differs between Node majors; multiply instead.'],
  ['AbortSignal', 'timeout', 'Use Clock.sleepUntil with a signal.'],
  ['process', 'env', 'Configuration is parsed once in config.ts.'],
  ['process', 'hrtime', 'Take monotonicMs from the Clock port.'],
].map(([object, property, message]) => ({ object, property, message }));

const bannedSyntax = [
  {
    selector: "NewExpression[callee.name='Date'][arguments.length=0]",
    message: 'Argless new Date reads the wall clock.',
  },
  {
    selector: "NewExpression[callee.name='Date'][arguments.length>1]",
    message: 'Date parts are read in local time; use Date.UTC.',
  },
  {
    selector: "CallExpression[callee.name='Date']",
    message: 'Date() reads the wall clock.',
  },
  {
    selector: "BinaryExpression[operator='**'], AssignmentExpression[operator='**=']",
    message: '** differs between Node majors; multiply instead.',
  },
  {
    selector:
      'MemberExpression[property.name=/^(toLocale.*|localeCompare|getTimezoneOffset|[gs]etHours|[gs]etMinutes|getDay|[gs]etDate|[gs]etMonth|[gs]etFullYear|toDateString|toTimeString)$/]',
    message: 'Locale and local time differ between machines; use the Zones port.',
  },
];

export default tseslint.config(
  { ignores: ['dist/**', '**/generated/**', 'node_modules/**', 'coverage/**'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', 4],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    files: pureRooms,
    ignores: ['**/*.test.ts', 'sim/world/real-turn.ts'],
    rules: {
      'no-restricted-globals': ['error', ...bannedGlobals],
      'no-restricted-properties': ['error', ...bannedProperties],
      'no-restricted-syntax': ['error', ...bannedSyntax],
    },
  },
  {
    // Two tables that everybody adds a line to; splitting them would hide duplicates.
    files: ['shared/contracts/{error-codes,limits}.ts'],
    rules: { 'max-lines': 'off' },
  },
  {
    files: ['shared/trust/**/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: ['node:crypto', 'crypto'].map((name) => ({
            name,
            allowImportNames: ['createHash', 'createHmac', 'createPublicKey', 'createPrivateKey']
              .concat(['KeyObject', 'sign', 'verify', 'hash', 'timingSafeEqual'])
              .concat(['createDecipheriv', 'createCipheriv', 'hkdfSync', 'scryptSync']),
            message: 'Keys are arguments here and chance is the Random port.',
          })),
        },
      ],
    },
  },
  {
    files: ['cli/**/*.ts', 'bench/**/*.ts', 'agent/supervisor/main.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['**/*.test.ts', 'test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      'max-lines': ['error', { max: 600, skipBlankLines: true, skipComments: true }],
    },
  },
  { files: ['**/*.mjs', '*.config.ts'], ...tseslint.configs.disableTypeChecked },
);
