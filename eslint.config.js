// @ts-check
import { builtinModules } from 'node:module';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Everything the workflow bundle contains: it is replayed, so it must do the same thing every time, everywhere. */
const VERB_FILES = ['activities/verbs.ts', 'activities/*/verbs.ts', 'activities/verb-info.ts'];
const BUNDLE = ['workflows/**/*.ts', ...VERB_FILES];
/** One file per runbook: the only files of the bundle that declare a schema. */
const RUNBOOKS = ['workflows/*.ts'];
/** Programs that somebody starts: they hand the environment to config/environment.ts. */
const ENTRY_POINTS = ['**/main.ts', 'docs/generate.ts', 'deploy/check-alive.js', '*.config.{js,ts}'];
/** Programs that talk to a person on the terminal. */
const TERMINAL = [
  'triggers/cli/**',
  'local/**',
  'bench/**',
  'docs/**',
  'test/**',
  'database/main.ts',
  'deploy/check-alive.js',
];
const TESTS = ['test/**/*.ts', '**/*.test.ts'];

/**
 * A sentence for the person whose code was refused.
 * @param {string} what what was found @param {string} why why it is refused @param {string} chapter of docs/house-rules.md
 * @param {string} rule to name when opting out
 */
const message = (what, why, chapter, rule) =>
  `${what} ${why} Read docs/house-rules.md#${chapter}. ` +
  `If it must be so: // eslint-disable-next-line ${rule} -- the reason.`;

const IMPORTS = 'no-restricted-imports';
const SYNTAX = 'no-restricted-syntax';
const builtins = builtinModules
  .filter((name) => !name.startsWith('_'))
  .map((name) => name.replace('/', '\\/'));

const bundleImports = [
  {
    regex: `^(node:.*|${builtins.join('|')})$`,
    allowTypeImports: true,
    message: message(
      'A Node module in the workflow bundle.',
      'Workflow code runs in a sandbox without Node and is replayed years later: files, clocks and random numbers belong into an activity.',
      'workflow-bundle',
      IMPORTS,
    ),
  },
  {
    regex: '(^|/)activities/(.*/)?(http|steps|postgres)\\.js$',
    allowTypeImports: true,
    message: message(
      "A system's code in the workflow bundle.",
      'Workflows name verbs and get references; clients and credentials stay in the worker. Call the verb through its step, or use `import type`.',
      'workflow-bundle',
      IMPORTS,
    ),
  },
  {
    regex: '^(\\.\\./)+(worker|triggers|simulators|local|database|test)/',
    allowTypeImports: true,
    message: message(
      'The workflow bundle reaches into another layer.',
      'What a workflow imports is bundled, archived and replayed with it. Hand the value in through the input, the config or a step.',
      'workflow-bundle',
      IMPORTS,
    ),
  },
];

const besideVerbs = {
  regex: '^\\.{1,2}/(\\w+/)?(http|steps|postgres)\\.js$',
  allowTypeImports: true,
  message: message(
    "A system's code next to its verbs.",
    'verbs.ts is part of the workflow bundle: it holds titles and timeouts, nothing that acts. Use `import type`.',
    'workflow-bundle',
    IMPORTS,
  ),
};

const zodImports = {
  regex: '^zod($|/)',
  allowTypeImports: true,
  message: message(
    'zod outside of a runbook file.',
    'In the bundle zod is a stub whose parse throws: schemas are declared in the runbook and parsed by engine.admit. Use `import type`.',
    'schemas',
    IMPORTS,
  ),
};

const bundleSyntax = [
  {
    selector: 'ImportExpression',
    message: message(
      'A dynamic import in the workflow bundle.',
      'The bundle is one file with a hash; what is loaded later is not part of it.',
      'workflow-bundle',
      SYNTAX,
    ),
  },
  {
    selector: "Identifier[name='Intl']",
    message: message(
      'Intl in the workflow bundle.',
      "It answers with the host's locale and time zone, so a replay elsewhere differs. Format where it is shown.",
      'determinism',
      SYNTAX,
    ),
  },
  {
    selector:
      'MemberExpression[property.name=/^(toLocale.*|localeCompare|toDateString|toTimeString|getTimezoneOffset|(get|set)(FullYear|Month|Date|Day|Hours|Minutes))$/]',
    message: message(
      'A locale or time-zone dependent call in the workflow bundle.',
      'It answers differently on another host. Use the UTC methods, toISOString, or compare with < and >.',
      'determinism',
      SYNTAX,
    ),
  },
  {
    selector: 'ThrowStatement > :matches(NewExpression, CallExpression)[callee.name=/^(\\w*Error)$/]',
    message: message(
      'A plain error thrown in the workflow bundle.',
      'Temporal retries the workflow task for ever instead of failing the run. Throw ApplicationFailure.nonRetryable(sentence, type).',
      'errors',
      SYNTAX,
    ),
  },
];

const testSyntax = [
  {
    selector:
      'MemberExpression[object.name=/^(test|it|describe|suite|bench)$/][property.name=/^(only|skip|todo|fails)$/]',
    message: message(
      'A test that is switched off, or switches the others off.',
      'A promise nobody checks is no promise. Delete it, mend it, or use skipIf with a condition and a loud line.',
      'tests',
      SYNTAX,
    ),
  },
  {
    selector: "MemberExpression[object.name='vi'][property.name=/^(mock|doMock)$/]",
    message: message(
      'A mock of our own code.',
      'It tests the mock. Use the real client against the simulator.',
      'tests',
      SYNTAX,
    ),
  },
];

/** @type {import('eslint').Rule.RuleModule} */
const reasonedDisable = {
  meta: { type: 'problem', schema: [], docs: { description: 'opting out of a rule needs a reason' } },
  create: (context) => ({
    Program() {
      for (const comment of context.sourceCode.getAllComments()) {
        const text = comment.value.trim();
        if (
          !/^eslint-disable/.test(text) ||
          / -- \S/.test(text) ||
          comment.loc === null ||
          comment.loc === undefined
        )
          continue;
        context.report({
          loc: comment.loc,
          message:
            'A rule is switched off without a reason. The next reader cannot tell whether it still holds. ' +
            'Read docs/house-rules.md#opting-out. Add it: eslint-disable-next-line rule -- the reason.',
        });
      }
    },
  }),
};

export default defineConfig(
  globalIgnores(['node_modules/', '.data/', 'coverage/', 'docs/**/*.md', 'bench/results/']),
  {
    name: 'everything',
    files: ['**/*.{ts,js,mjs}'],
    extends: [tseslint.configs.recommendedTypeChecked],
    plugins: { house: { rules: { 'reasoned-disable': reasonedDisable } } },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'house/reasoned-disable': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'array-callback-return': ['error', { checkForEach: true }],
      'no-async-promise-executor': 'error',
      'no-cond-assign': 'error',
      'no-constant-condition': ['error', { checkLoops: 'allExceptWhileTrue' }],
      'no-debugger': 'error',
      'no-empty': 'error',
      'no-self-compare': 'error',
      'no-template-curly-in-string': 'error',
      'no-unmodified-loop-condition': 'error',
      'no-unreachable-loop': 'error',
      'no-unsafe-finally': 'error',
      'no-useless-catch': 'error',
      'no-console': 'error',
      'no-restricted-properties': [
        'error',
        {
          object: 'process',
          property: 'env',
          message: message(
            'process.env is read here.',
            'One place reads and checks the environment, so that a missing variable is named at start and not in the middle of a run. Take the value as a parameter from config/environment.ts.',
            'environment',
            'no-restricted-properties',
          ),
        },
      ],
      [IMPORTS]: [
        'error',
        {
          paths: [
            {
              name: 'node:process',
              importNames: ['env'],
              message: message(
                'process.env is read here.',
                'One place reads and checks the environment: config/environment.ts.',
                'environment',
                IMPORTS,
              ),
            },
          ],
        },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: false }],
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        // A default clause says what happens to the rest; one that ends in never is checked by the compiler.
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/use-unknown-in-catch-callback-variable': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', caughtErrors: 'all', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        {
          allowNumber: true,
          allowBoolean: true,
          allow: [
            { from: 'lib', name: ['URL', 'URLSearchParams'] },
            { from: 'package', package: 'node', name: ['URL', 'URLSearchParams'] },
          ],
        },
      ],
      // An interface's method may be async in one implementation and need no await in another.
      '@typescript-eslint/require-await': 'off',
      // Our contracts are objects of functions without `this`; taking them apart is how they are used.
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  { name: 'terminal', files: TERMINAL, rules: { 'no-console': 'off' } },
  {
    name: 'environment',
    files: ['config/environment.ts', 'local/**', 'bench/**', ...TESTS, 'test/**', ...ENTRY_POINTS],
    rules: { 'no-restricted-properties': 'off', [IMPORTS]: 'off' },
  },
  {
    name: 'workflow bundle',
    files: BUNDLE,
    rules: {
      [IMPORTS]: ['error', { patterns: [...bundleImports, zodImports] }],
      [SYNTAX]: ['error', ...bundleSyntax],
    },
  },
  {
    name: 'verbs',
    files: VERB_FILES,
    rules: { [IMPORTS]: ['error', { patterns: [...bundleImports, besideVerbs, zodImports] }] },
  },
  {
    name: 'runbooks',
    files: RUNBOOKS,
    ignores: ['workflows/index.ts'],
    rules: { [IMPORTS]: ['error', { patterns: bundleImports }] },
  },
  { name: 'tests', files: TESTS, rules: { [SYNTAX]: ['error', ...testSyntax] } },
  {
    name: 'plain JavaScript',
    files: ['**/*.{js,mjs}'],
    extends: [tseslint.configs.disableTypeChecked],
  },
);
