import { err, ok, type Result } from '../core/result.ts';
import type { Validate } from './validator.ts';

/** The layers, the later over the earlier. Values of the last two are text. */
export interface ConfigLayers {
  /** What the file holds, parsed; `undefined` without a file. */
  readonly file: unknown;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `http.port=8443`, from `--set` and its short forms. */
  readonly settings: readonly string[];
}

/** How the text of a single value is read. */
export type SettingKind = 'text' | 'number' | 'flag' | 'list';

/** What a process can be told, and by which names. */
export interface ConfigForm<T> {
  readonly validate: Validate<T>;
  /** Whose settings they are, for messages: `server`. */
  readonly owner: string;
  /** Every single value that the environment and `--set` may give, by `name` or `group.name`. */
  readonly settable: ReadonlyMap<string, SettingKind>;
  /** Of its environment variables, such as `SKEIN_SERVER_`: `http.certFile` is `SKEIN_SERVER_HTTP_CERT_FILE`. */
  readonly prefix: string;
  /** Variables with the prefix that are read elsewhere. */
  readonly foreign: ReadonlySet<string>;
}

/**
 * File below environment below `--set`. An unknown key anywhere is an error, and the message says where: `file`, an
 * environment variable or a flag, and the place in it.
 */
export function mergeConfigLayers<T>(form: ConfigForm<T>, layers: ConfigLayers): Result<T, string> {
  const { validate, settable, prefix, foreign } = form;
  const written = validate(layers.file ?? {});
  if (!written.ok) return err(`file ${written.error.pointer} ${written.error.message}`);
  const merged = structuredClone(written.value) as Record<string, unknown>;
  const variables = new Map([...settable.keys()].map((key) => [variableOf(prefix, key), key]));
  for (const [name, text] of Object.entries(layers.environment)) {
    if (!name.startsWith(prefix) || foreign.has(name) || text === undefined) continue;
    const failure = put(form, merged, { key: variables.get(name), from: name, text });
    if (failure !== undefined) return err(failure);
  }
  for (const setting of layers.settings) {
    const [key = '', ...rest] = setting.split('=');
    const failure = put(form, merged, { key, from: `--set ${key}`, text: rest.join('=') });
    if (failure !== undefined) return err(failure);
  }
  const whole = validate(merged);
  return whole.ok ? ok(whole.value) : err(`${whole.error.pointer} ${whole.error.message}`);
}

const variableOf = (prefix: string, key: string): string =>
  prefix +
  key
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .replace('.', '_')
    .toUpperCase();

function put(
  { owner, settable }: Pick<ConfigForm<unknown>, 'owner' | 'settable'>,
  config: Record<string, unknown>,
  given: { readonly key: string | undefined; readonly from: string; readonly text: string },
): string | undefined {
  const { key, from, text } = given;
  const kind = key === undefined ? undefined : settable.get(key);
  if (key === undefined || kind === undefined) return `${from} is no setting of the ${owner}`;
  const value = valueOf(kind, text);
  if (value === undefined) return `${from} is no ${kind}`;
  const [first = '', second] = key.split('.');
  if (second === undefined) config[first] = value;
  else config[first] = { ...(config[first] as object | undefined), [second]: value };
  return undefined;
}

function valueOf(kind: SettingKind, text: string): unknown {
  switch (kind) {
    case 'text':
      return text === '' ? undefined : text;
    case 'number':
      return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
    case 'flag':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'list':
      return text === '' ? undefined : text.split(',');
  }
}
