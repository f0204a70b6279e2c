import { type Static, Type } from './json-schema.ts';
import { DigestSchema, oneOf } from './names.ts';

/** Media types of a bundle as an OCI artifact (image-spec v1.1). Only these exact strings are accepted. */
export const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  artifact: 'application/vnd.skein.bundle.v1',
  config: 'application/vnd.skein.bundle.config.v1+json',
  graph: 'application/vnd.skein.bundle.graph.v1+onnx',
  tensor: 'application/vnd.skein.bundle.tensor.v1',
  golden: 'application/vnd.skein.bundle.golden.v1+json',
} as const;

const descriptor = <T extends string>(types: readonly T[]) =>
  Type.Object(
    {
      mediaType: oneOf(types),
      digest: DigestSchema,
      size: Type.Integer({ minimum: 0, maximum: 8 * 1024 * 1024 * 1024 }),
    },
    { additionalProperties: false },
  );

/**
 * The TUF target of a bundle is these bytes. `manifests`, `urls`, `data` and `subject` are refused: each would name
 * content outside what was signed.
 */
export const OciManifestSchema = Type.Object(
  {
    schemaVersion: Type.Literal(2),
    mediaType: Type.Literal(mediaTypes.manifest),
    artifactType: Type.Literal(mediaTypes.artifact),
    config: descriptor([mediaTypes.config]),
    layers: Type.Array(descriptor([mediaTypes.graph, mediaTypes.tensor, mediaTypes.golden]), {
      minItems: 1,
      maxItems: 4096,
    }),
    annotations: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[a-z0-9.-]{1,128}$' }),
        Type.String({ maxLength: 1024 }),
        { maxProperties: 32 },
      ),
    ),
  },
  { additionalProperties: false },
);
export type OciManifest = Static<typeof OciManifestSchema>;
