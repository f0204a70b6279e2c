import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

/** The root of the house, with a slash at its end. */
export const house = fileURLToPath(new URL('../../', import.meta.url));
export const textOf = (path: string): string => readFileSync(house + path, 'utf8');

export interface Service {
  readonly image?: string;
  readonly user?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly ports?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file?: string }>>;
}

export interface ScrapeConfig {
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly {
    readonly job_name: string;
    readonly scheme?: string;
    readonly authorization?: { readonly credentials_file?: string };
    readonly tls_config?: { readonly ca_file?: string };
    readonly static_configs: readonly { readonly targets: readonly string[] }[];
  }[];
}

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

/** Everything that is shipped for containers, as a program that reads it would see it. */
export interface Deployment {
  readonly dockerfile: string;
  readonly dockerignore: string;
  readonly compose: Compose;
  readonly server: Readonly<Record<string, unknown>>;
  readonly agent: Readonly<Record<string, unknown>>;
  readonly scrape: ScrapeConfig;
  readonly rules: Rules;
  readonly howTo: string;
}

const yaml = (path: string): unknown => parse(textOf(path), { merge: true });

export const readDeployment = (): Deployment => ({
  dockerfile: textOf('deploy/Dockerfile'),
  dockerignore: textOf('deploy/Dockerfile.dockerignore'),
  compose: yaml('deploy/docker-compose.yml') as Compose,
  server: yaml('deploy/compose/server.yaml') as Deployment['server'],
  agent: yaml('deploy/compose/agent.yaml') as Deployment['agent'],
  scrape: yaml('deploy/prometheus/prometheus.yaml') as ScrapeConfig,
  rules: yaml('deploy/prometheus/rules.yaml') as Rules,
  howTo: textOf('docs/how-to/containers.md'),
});

/** The fenced `sh` blocks of a page, with continued lines joined. */
export const shellBlocks = (page: string): readonly string[] =>
  [...page.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block = '']) => block.replaceAll('\\\n', ' '));
