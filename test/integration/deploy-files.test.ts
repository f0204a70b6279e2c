import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import type { Command } from 'commander';
import { beforeAll, expect, test } from 'vitest';
import { parseAgentConfig } from '../../agent/config.ts';
import { wholeProgram } from '../../cli/program.ts';
import { parseServerConfig } from '../../fleet-server/config.ts';
import { type MetricEntry, metricNames } from '../../shared/contracts/metric-names.ts';
import {
  type Compose,
  type Deployment,
  house,
  readDeployment,
  type Service,
  shellBlocks,
  textOf,
} from '../support/deploy-files.ts';

/** Each rule gives its breaches, so that every one is also seen to fail on a planted file. */
type Rule = (deployment: Deployment) => readonly string[];

let program: Command;
beforeAll(async () => {
  program = await wholeProgram({ out: () => undefined, err: () => undefined });
});
const shipped = readDeployment();
const image = 'skein:0.1.0';
const services = ({ compose }: Deployment): readonly (readonly [string, Service])[] =>
  Object.entries(compose.services);
const ours = (deployment: Deployment) => services(deployment).filter(([, s]) => s.image === image);

/** Why commander would not take the words, or nothing. Each command takes its options wherever they stand, as it does. */
function refusalOf(words: readonly string[]): readonly string[] {
  let command = program;
  let parsed = command.parseOptions([...words]);
  for (;;) {
    const [first, ...rest] = parsed.operands;
    const next = command.commands.find((candidate) => candidate.name() === first);
    if (next === undefined) break;
    command = next;
    parsed = command.parseOptions([...rest, ...parsed.unknown]);
  }
  const line = `skein ${words.join(' ')}`;
  if (command === program) return [`${line}: no such noun`];
  const missing = command.options.filter(
    (option) => option.mandatory && !words.includes(option.long ?? ''),
  );
  const { registeredArguments: known } = command;
  const required = known.filter((argument) => argument.required).length;
  const most = known.some((argument) => argument.variadic) ? words.length : known.length;
  const { length } = parsed.operands;
  return [
    ...parsed.unknown.map((word) => `${line}: ${word} is unknown`),
    ...missing.map((option) => `${line}: ${option.long ?? ''} is missing`),
    ...(length < required || length > most ? [`${line}: other operands`] : []),
  ];
}

const commandLines: Rule = (deployment) =>
  ours(deployment).flatMap(([, { command }]) => refusalOf(command));

/** `skein ...`, and what `docker compose run SERVICE ...` hands to the image's entry point. */
const howToLines: Rule = (deployment) =>
  shellBlocks(deployment.howTo)
    .flatMap((block) => block.split('\n'))
    .flatMap((line) => {
      const run = /^docker compose run(?: --[a-z-]+)* ([a-z0-9-]+) (.+)$/.exec(line);
      const exec = /^docker compose exec ([a-z0-9-]+) skein (.+)$/.exec(line);
      const service = run?.[1] ?? exec?.[1];
      const text = run?.[2] ?? exec?.[2] ?? /^skein (.+)$/.exec(line)?.[1];
      if (text === undefined) return line.includes('skein ') && !line.startsWith('#') ? [line] : [];
      const words = text.replace(/>.*$/, '').trim().split(/ +/);
      const isThere = service === undefined || service in deployment.compose.services;
      return [...(isThere ? [] : [`${line}: no such service`]), ...refusalOf(words)];
    });

const mountedFiles: Rule = (deployment) =>
  services(deployment).flatMap(([name, { volumes = [], secrets = [] }]) => [
    ...volumes.flatMap((volume) => {
      const [from = ''] = volume.split(':');
      if (!from.startsWith('.')) {
        return from in deployment.compose.volumes ? [] : [`${name}: no volume ${from}`];
      }
      const isThere = existsSync(house + posix.join('deploy', from)) && volume.endsWith(':ro');
      return isThere ? [] : [`${name}: ${volume}`];
    }),
    ...secrets.filter((s) => !(s in deployment.compose.secrets)).map((s) => `${name}: ${s}`),
  ]);

/** What a stage takes from the repository is there, and the ignore file, which keeps everything else out, names it. */
const copiedFiles: Rule = ({ dockerfile, dockerignore }) =>
  [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)]
    .flatMap(([, sources = '']) => sources.split(' '))
    .filter((s) => !existsSync(house + s) || !dockerignore.split('\n').includes(`!${s}`))
    .concat(
      dockerignore.startsWith('#') && /^\*$/m.test(dockerignore) ? [] : ['nothing is kept out'],
    );

/** Every `/run/secrets/x` that a service's files or command name is among the secrets that it is handed. */
const secretsHanded: Rule = (deployment) => {
  const { compose, server, agent, scrape } = deployment;
  const configOf = (name: string): unknown =>
    name === 'server'
      ? server
      : name === 'prometheus'
        ? scrape
        : /^edge-\d$/.test(name)
          ? agent
          : {};
  return Object.entries(compose.services).flatMap(([name, service]) => {
    const text = JSON.stringify([service, configOf(name)]);
    const named = [...text.matchAll(/\/run\/secrets\/([a-z-]+)/g)].map(([, secret = '']) => secret);
    return named.filter((s) => service.secrets?.includes(s) !== true).map((s) => `${name}: ${s}`);
  });
};

/** A secret is a file below the ignored folder; nothing secret stands in a variable or in an image layer. */
const secretsInFiles: Rule = ({ compose, dockerfile }) => [
  ...Object.entries(compose.secrets)
    .filter(([, { file }]) => file?.startsWith('./secrets/') !== true)
    .map(([name]) => `${name} comes from no file of deploy/secrets`),
  ...Object.entries(compose.services).flatMap(([name, { environment = {} }]) =>
    Object.entries(environment)
      .filter(([, value]) => !value.startsWith('/run/secrets/'))
      .map(([variable]) => `${name}: ${variable}`),
  ),
  ...(dockerfile.match(/^(?:ENV|ARG) .*(?:TOKEN|PASS|SECRET|KEY|CLAIM).*$/gim) ?? []),
];

const lockedDown: Rule = (deployment) => [
  ...services(deployment).flatMap(([name, service]) => {
    const isUser = /^[1-9][0-9]*:[1-9][0-9]*$/.test(service.user ?? '');
    const isClosed = service.read_only === true && service.cap_drop?.includes('ALL') === true;
    const isKept = service.security_opt?.includes('no-new-privileges:true') === true;
    return isUser && isClosed && isKept ? [] : [`${name} is not locked down`];
  }),
  ...(/^USER [1-9][0-9]*:[1-9][0-9]*$/m.test(deployment.dockerfile) ? [] : ['the image is root']),
];

const pinnedImages: Rule = (deployment) => {
  const images = [
    ...services(deployment).map(([, service]) => service.image ?? ''),
    ...[...deployment.dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, from = '']) => from),
  ];
  return images.filter(
    (name) => !/^[a-z0-9/-]+:v?[0-9]+\.[0-9]+\.[0-9]+(-[a-z0-9-]+)?$/.test(name),
  );
};

const installRules: Rule = ({ dockerfile }) => [
  ...(/^COPY .*\bpackage-lock\.json .*\.npmrc /m.test(dockerfile) ? [] : ['no lock, no .npmrc']),
  ...(/^RUN npm ci$/m.test(dockerfile) ? [] : ['no npm ci']),
  ...(/^ENTRYPOINT \["\/usr\/bin\/tini", "--",/m.test(dockerfile) ? [] : ['no PID 1 that reaps']),
];

/** One number per door: configuration, published port, health check and scrape target say the same. */
const ports: Rule = (deployment) => {
  const environment = {};
  const web = parseServerConfig({ file: deployment.server, environment, settings: [] });
  const edge = parseAgentConfig({ file: deployment.agent, environment, settings: [] });
  if (!web.ok) return [web.error.message];
  if (!edge.ok) return [edge.error.message];
  const { http, broker, origin } = web.value;
  const { listen, hosts, tls, tokenFile } = edge.value.metrics;
  const { server } = deployment.compose.services;
  const edges = services(deployment).filter(([name]) => /^edge-\d$/.test(name));
  const targets = deployment.scrape.scrape_configs.flatMap(({ static_configs: list }) =>
    list.flatMap((entry) => entry.targets),
  );
  const expected = [
    `server:${http.port}`,
    ...edges.map(([name]) => `${name}:${listen?.port ?? 0}`),
  ];
  const checks: readonly [string, boolean][] = [
    ['origin', origin === `https://server:${http.port}` && http.tls !== undefined],
    ['broker', broker.url === `mqtts://server:${broker.port}` && broker.tls !== undefined],
    [
      'published',
      same(
        server?.ports,
        [http, broker].map(({ port }) => `${port}:${port}`),
      ),
    ],
    ['server health', asks(server, `https://localhost:${http.port}/readyz`)],
    ['agent door', tls !== undefined && tokenFile !== undefined],
    ...edges.map(([name, edge]): [string, boolean] => [
      name,
      hosts.includes(name) && asks(edge, `https://localhost:${listen?.port ?? 0}/livez`),
    ]),
    ['targets', same(targets, expected)],
    ['names', http.hosts.includes('server') && http.hosts.includes('localhost')],
  ];
  return checks.filter(([, isTrue]) => !isTrue).map(([name]) => name);
};
const same = (a: readonly string[] | undefined, b: readonly string[]): boolean =>
  JSON.stringify([...(a ?? [])].sort()) === JSON.stringify([...b].sort());
const asks = (service: Service | undefined, url: string): boolean =>
  service?.healthcheck?.test.includes(url) === true;

/** A rule over a metric or a label that does not exist is silent for ever. */
const ruleNames: Rule = ({ rules }) =>
  rules.groups
    .flatMap((group) => group.rules)
    .flatMap(({ alert, expr }) => {
      const names = expr.match(/\b(?:skein|process|nodejs)_[a-z0-9_]+/g) ?? [];
      const unknown = names.filter((name) => !isMetric(name)).map((name) => `${alert}: ${name}`);
      const isSilent = names.length === 0 && !/\bup\b/.test(expr);
      return [...unknown, ...unknownLabels(expr), ...(isSilent ? [`${alert}: no metric`] : [])];
    });
/** Labels that Prometheus adds to each series, and that of a histogram's buckets. */
const scraped = ['instance', 'job', 'le'];
const unknownLabels = (expr: string): readonly string[] =>
  [...expr.matchAll(/\b([a-z]+_[a-z0-9_]+)\{([^}]*)\}/g)].flatMap(([, name = '', inside = '']) => {
    const { labels = [] } =
      entries[name.replace(/_(bucket|sum|count)$/, '')] ?? entries[name] ?? {};
    const used = [...inside.matchAll(/([a-z]+)\s*[=!]/g)].map(([, label = '']) => label);
    return used
      .filter((l) => !labels.includes(l) && !scraped.includes(l))
      .map((l) => `${name}: ${l}`);
  });
const entries: Readonly<Record<string, MetricEntry>> = metricNames;
const isMetric = (name: string): boolean =>
  name in entries || entries[name.replace(/_(bucket|sum|count)$/, '')]?.type === 'histogram';

const scrapesSafely: Rule = ({ scrape, compose }) => [
  ...scrape.scrape_configs
    .filter(
      (job) =>
        job.scheme !== 'https' ||
        job.authorization?.credentials_file === undefined ||
        job.tls_config?.ca_file === undefined,
    )
    .map((job) => job.job_name),
  ...scrape.rule_files.filter(
    (file) =>
      compose.services['prometheus']?.volumes?.some((v) => v.includes(`:${file}:`)) !== true,
  ),
];

const withService = (name: string, change: Partial<Service>): Deployment => {
  const { compose } = shipped;
  const service = { ...compose.services[name], ...change } as Service;
  return {
    ...shipped,
    compose: { ...compose, services: { ...compose.services, [name]: service } },
  };
};
const withCompose = (change: Partial<Compose>): Deployment => ({
  ...shipped,
  compose: { ...shipped.compose, ...change },
});
const withDockerfile = (from: string, to: string): Deployment => ({
  ...shipped,
  dockerfile: shipped.dockerfile.replace(from, to),
});
const [firstJob, ...otherJobs] = shipped.scrape.scrape_configs;

const rules: readonly [string, Rule, readonly Deployment[]][] = [
  [
    'every service is started by a command line that skein takes',
    commandLines,
    [
      withService('edge-1', { command: ['agent', 'start'] }),
      withService('edge-1', { command: ['agent', 'run'] }),
      withService('server', { command: ['server', '--port', '1'] }),
      withService('server', { command: ['fly'] }),
    ],
  ],
  [
    'every command of the how-to is one that skein takes',
    howToLines,
    [
      { ...shipped, howTo: '```sh\nskein agent stop\n```\n' },
      { ...shipped, howTo: '```sh\ndocker compose exec edge-9 skein token list\n```\n' },
      { ...shipped, howTo: '```sh\nsudo skein agent status\n```\n' },
    ],
  ],
  [
    'what is mounted exists, and files are mounted for reading',
    mountedFiles,
    [
      withService('edge-1', { volumes: ['./compose/missing.yaml:/etc/skein/agent.yaml:ro'] }),
      withService('edge-1', { volumes: ['./compose/agent.yaml:/etc/skein/agent.yaml'] }),
      withService('edge-1', { volumes: ['edge-9-state:/var/lib/skein'] }),
      withService('edge-1', { secrets: ['nobody'] }),
    ],
  ],
  [
    'what is copied exists',
    copiedFiles,
    [
      withDockerfile('COPY agent agent', 'COPY agents agent'),
      withDockerfile('COPY agent agent', 'COPY test test'),
      { ...shipped, dockerignore: '!agent' },
    ],
  ],
  [
    'every secret that a file names is handed to its service',
    secretsHanded,
    [withService('prometheus', { secrets: ['ca', 'prometheus-token'] })],
  ],
  [
    'secrets come through files alone',
    secretsInFiles,
    [
      withCompose({ secrets: { ...shipped.compose.secrets, ca: { file: '/etc/ca.pem' } } }),
      withService('server', { environment: { SKEIN_TOKEN: 'abc' } }),
      withDockerfile('ENV NODE_ENV=production', 'ENV CLAIM_TOKEN=abc'),
    ],
  ],
  [
    'nobody is root, writes to the root or gains rights',
    lockedDown,
    [
      withService('prometheus', { user: '0:0' }),
      withService('server', { read_only: false }),
      withService('edge-2', { cap_drop: [] }),
      withService('edge-2', { security_opt: [] }),
      withDockerfile('USER 1000:1000', 'USER root'),
    ],
  ],
  [
    'every image has a version',
    pinnedImages,
    [
      withService('prometheus', { image: 'prom/prometheus:latest' }),
      withService('prometheus', { image: 'prom/prometheus' }),
      withDockerfile('node:20.20.2-bookworm-slim AS build', 'node:lts AS build'),
    ],
  ],
  [
    'packages are installed as the lock says, below a PID 1 that reaps',
    installRules,
    [
      withDockerfile('RUN npm ci', 'RUN npm install'),
      withDockerfile(' .npmrc ./', ' ./'),
      withDockerfile('"/usr/bin/tini", "--", ', ''),
    ],
  ],
  [
    'configurations are valid, and ports agree',
    ports,
    [
      { ...shipped, server: { ...shipped.server, origin: 'https://server:9443' } },
      { ...shipped, agent: { ...shipped.agent, metrics: { listen: '0.0.0.0:9465' } } },
      { ...shipped, agent: { metric: {} } },
      withService('server', { ports: ['8443:8443'] }),
      withService('edge-1', { healthcheck: { test: [] } }),
    ],
  ],
  [
    'alert rules name metrics that the product has',
    ruleNames,
    [
      { ...shipped, rules: { groups: [{ rules: [{ alert: 'a', expr: 'skein_nothing > 1' }] }] } },
      { ...shipped, rules: { groups: [{ rules: [{ alert: 'a', expr: '1 > 2' }] }] } },
      {
        ...shipped,
        rules: {
          groups: [{ rules: [{ alert: 'a', expr: 'skein_rollouts{state="aborted"} > 0' }] }],
        },
      },
    ],
  ],
  [
    'Prometheus asks over TLS, with a token, and finds its rules',
    scrapesSafely,
    [
      ...(firstJob === undefined
        ? []
        : [{ scheme: 'http' }, { authorization: {} }, { tls_config: {} }].map((change) => ({
            ...shipped,
            scrape: {
              ...shipped.scrape,
              scrape_configs: [{ ...firstJob, ...change }, ...otherJobs],
            },
          }))),
      { ...shipped, scrape: { ...shipped.scrape, rule_files: ['/etc/other.yaml'] } },
    ],
  ],
];

test.each(rules)('when the files of deploy are read, %s', (_title, rule, breaches) => {
  expect(breaches.length).toBeGreaterThan(0);
  for (const [place, planted] of breaches.entries()) {
    expect(rule(planted), `planted breach ${place}`).not.toEqual([]);
  }
  expect(rule(shipped)).toEqual([]);
});

test('when git looks at deploy, it does not see the secrets of an installation', () => {
  expect(textOf('deploy/.gitignore')).toMatch(/^secrets\/$/m);
});
