import { type Static, Type } from './json-schema.ts';
import { CodeSchema } from './names.ts';

/** An HTTP failure (RFC 9457, `application/problem+json`); `code` is the catalogue's. */
export const ProblemSchema = Type.Object({
  type: Type.String({ maxLength: 256 }),
  title: Type.String({ maxLength: 512 }),
  status: Type.Integer({ minimum: 400, maximum: 599 }),
  code: CodeSchema,
  detail: Type.Optional(Type.String({ maxLength: 2048 })),
  /** Where in the request: JSON Pointer and what is wrong there. */
  errors: Type.Optional(
    Type.Array(
      Type.Object({
        pointer: Type.String({ maxLength: 512 }),
        message: Type.String({ maxLength: 512 }),
      }),
      { maxItems: 16 },
    ),
  ),
  requestId: Type.Optional(Type.String({ maxLength: 64 })),
});
export type Problem = Static<typeof ProblemSchema>;
