import { type Static, Type } from '../json-schema.ts';
import {
  AppNameSchema,
  DigestSchema,
  InstantMsSchema,
  oneOf,
  TargetPathSchema,
  VersionSchema,
} from '../names.ts';
import { closed, pageOf, pageQueryOf } from './page.ts';

export const BundleViewSchema = Type.Object(
  {
    path: TargetPathSchema,
    name: AppNameSchema,
    version: VersionSchema,
    digest: DigestSchema,
    status: oneOf(['live', 'deprecated', 'revoked']),
    publishedAtMs: InstantMsSchema,
    /** Since when the server has no blobs of it any more; null while it has. */
    contentReleasedAtMs: Type.Union([InstantMsSchema, Type.Null()]),
  },
  closed,
);
export type BundleView = Static<typeof BundleViewSchema>;
export const BundlePageSchema = pageOf(BundleViewSchema);
export const BundleQuerySchema = pageQueryOf({ name: Type.Optional(AppNameSchema) });
