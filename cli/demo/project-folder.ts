import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The installed packages of this project, whose files the demo's devices look at; found from `dist` too. */
export function findNodeModules(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const found = join(folder, 'node_modules');
    if (existsSync(join(found, 'onnxruntime-node'))) return found;
    const above = dirname(folder);
    if (above === folder) throw new Error('there is no node_modules folder: run npm ci first');
    folder = above;
  }
}
