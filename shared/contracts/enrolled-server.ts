import { type Static, Type } from './json-schema.ts';
import { DeviceIdSchema, FleetIdSchema } from './names.ts';

/** The device's own file `trust/enrolment.json`: whose device it is. Written once, after the server has answered. */
export const EnrolledServerSchema = Type.Object(
  {
    /** Where metadata, bundles and sessions come from; never taken from a message. */
    origin: Type.String({ pattern: '^https?://[^/ ]+$', maxLength: 300 }),
    fleet: FleetIdSchema,
    device: DeviceIdSchema,
    /** Name of the server, signed into every assertion. */
    audience: Type.String({ minLength: 1, maxLength: 255 }),
    /** PEM of the one certificate authority to believe. */
    ca: Type.Optional(Type.String({ maxLength: 16_384 })),
  },
  { additionalProperties: false },
);
export type EnrolledServer = Static<typeof EnrolledServerSchema>;
