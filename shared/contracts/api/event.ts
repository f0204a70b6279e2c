import { type Static, Type } from '../json-schema.ts';
import { CounterSchema, FleetIdSchema, InstantMsSchema } from '../names.ts';
import { closed, pageOf, pageQueryOf } from './page.ts';

export const EventViewSchema = Type.Object(
  {
    id: CounterSchema,
    fleet: FleetIdSchema,
    atMs: InstantMsSchema,
    kind: Type.String(),
    subject: Type.String(),
    content: Type.Unsafe<unknown>({}),
  },
  closed,
);
export type EventView = Static<typeof EventViewSchema>;
export const EventPageSchema = pageOf(EventViewSchema);
export const EventQuerySchema = pageQueryOf({});
