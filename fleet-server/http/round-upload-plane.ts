import { Readable } from 'node:stream';
import { KeptBlobSchema } from '../../shared/contracts/api/round.ts';
import { Type } from '../../shared/contracts/json-schema.ts';
import { limits } from '../../shared/contracts/limits.ts';
import { RoundIdSchema } from '../../shared/contracts/names.ts';
import { concatBytes } from '../../shared/core/bytes.ts';
import type { RoundOffice } from '../runner/federation/round-office.ts';
import { deviceOf } from './authentication.ts';
import type { HttpApp } from './http-app.ts';
import { HttpProblem, valueOf } from './problem-answer.ts';

const RoundUploadParams = Type.Object({ round: RoundIdSchema }, { additionalProperties: false });

/**
 * Where a chosen device brings its update. The body is read only once it is known that the device was chosen, and no
 * further than the bundle's own parameters reach; nothing counts before the signed report that names it.
 */
export async function roundUploadPlane(
  app: HttpApp,
  { rounds }: { readonly rounds: RoundOffice },
): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) =>
    done(null, payload),
  );
  app.put(
    '/rounds/:round/update',
    {
      config: { access: { kind: 'device' } },
      bodyLimit: limits.updateBytesMax,
      schema: {
        operationId: 'putRoundUpdate',
        summary: 'Bring the update of a round (application/octet-stream)',
        tags: ['device plane'],
        params: RoundUploadParams,
        response: { 201: KeptBlobSchema },
      },
    },
    async (request, reply) => {
      const { body } = request as { readonly body: unknown };
      const read = async (bytesMax: number): Promise<Uint8Array> => {
        const pieces = body instanceof Readable ? body : Readable.from([]);
        return collectBounded(pieces as AsyncIterable<Uint8Array>, bytesMax);
      };
      const { round } = request.params;
      const kept = valueOf(await rounds.receiveUpdate(deviceOf(request), round, read));
      reply.code(201);
      return kept;
    },
  );
}

async function collectBounded(
  pieces: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of pieces) {
    length += part.length;
    if (length > bytesMax) {
      throw new HttpProblem('update-shape-mismatch', { detail: `expected ${bytesMax} bytes` });
    }
    parts.push(part);
  }
  return concatBytes(parts);
}
