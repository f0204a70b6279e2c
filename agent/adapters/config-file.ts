import { readFile } from 'node:fs/promises';
import { parseStrictJson } from '../../shared/codec/validator.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { OperatingError } from '../../shared/core/operating-error.ts';

/**
 * Reads a configuration file: JSON by its name, otherwise YAML 1.2, of which JSON is a part.
 * Doubled keys are refused in
 * both. Throws `config-invalid`.
 */
export async function readConfigFile(path: string): Promise<unknown> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new OperatingError('config-invalid', `${path} cannot be read`, { cause });
  });
  if (bytes.length > limits.configBytesMax) {
    throw new OperatingError('config-invalid', `${path} is larger than any configuration`);
  }
  if (path.endsWith('.json')) {
    const parsed = parseStrictJson(bytes);
    if (parsed.ok) return parsed.value;
    throw new OperatingError('config-invalid', `${path}: ${parsed.error.message}`);
  }
  // Only who writes YAML pays for its parser's memory.
  const { parse } = await import('yaml');
  try {
    // An empty file, or comments alone, is a configuration too.
    return (parse(bytes.toString('utf8'), { maxAliasCount: 0, schema: 'core' }) as unknown) ?? {};
  } catch (cause) {
    throw new OperatingError('config-invalid', `${path} is no YAML`, { cause });
  }
}

/** A text file that the configuration names. Throws `config-invalid`. */
export async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new OperatingError('config-invalid', `${path} cannot be read`, { cause });
  });
}

/** A secret stands alone in the first line of its file. Throws `config-invalid`. */
export async function readFirstLine(path: string): Promise<string> {
  const [line = ''] = (await readText(path)).split('\n');
  if (line.trim() === '') throw new OperatingError('config-invalid', `${path} is empty`);
  return line.trim();
}
