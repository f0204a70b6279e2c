import { type Static, Type } from '../json-schema.ts';
import { FleetIdSchema, InstantMsSchema } from '../names.ts';
import { closed } from './page.ts';

export const FleetRequestSchema = Type.Object(
  { fleet: FleetIdSchema, title: Type.Optional(Type.String({ maxLength: 128 })) },
  closed,
);
export const FleetViewSchema = Type.Object(
  { fleet: FleetIdSchema, title: Type.String(), createdAtMs: InstantMsSchema },
  closed,
);
export type FleetView = Static<typeof FleetViewSchema>;
export const FleetListSchema = Type.Object({ items: Type.Array(FleetViewSchema) }, closed);
