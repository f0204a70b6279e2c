// Exit code 0 when the address answers 200: `node healthy.mjs https://localhost:8443/readyz /run/secrets/ca`.
import { readFileSync } from 'node:fs';
import { get } from 'node:https';

const [url = '', caFile = ''] = process.argv.slice(2);
const request = get(url, { ca: readFileSync(caFile), timeout: 4_000 }, (response) => {
  response.resume();
  response.once('end', () => process.exit(response.statusCode === 200 ? 0 : 1));
});
request.once('timeout', () => request.destroy());
request.once('error', () => process.exit(1));
