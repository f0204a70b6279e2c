import { readdirSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';

const contracts = new URL('../../shared/contracts/', import.meta.url);

/** Every exported schema of the contracts, by file and name. */
async function schemas(): Promise<readonly (readonly [string, object])[]> {
  const found: (readonly [string, object])[] = [];
  for (const folder of ['', 'api/']) {
    for (const file of readdirSync(new URL(folder, contracts)).sort()) {
      if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
      const exported = (await import(new URL(`${folder}${file}`, contracts).href)) as object;
      for (const [name, value] of Object.entries(exported)) {
        if (name.endsWith('Schema')) found.push([`${folder}${file} ${name}`, value as object]);
      }
    }
  }
  return found;
}

describe('the schemas of the contracts', () => {
  it('are JSON Schema of 2020-12 without unknown keywords, because the product compiles them unseen', async () => {
    const all = await schemas();
    expect(all.length).toBeGreaterThan(30);
    for (const [name, schema] of all) {
      const ajv = new Ajv2020({ strict: true, strictTypes: false, validateFormats: false });
      expect(() => ajv.compile(schema), name).not.toThrow();
    }
  });
});
