import type { Observer } from './observer.ts';

/** The chain is whole, and agrees with every head that a device has returned. */
export const auditHolds = (): Observer => ({
  name: 'audit-holds',
  look: ({ auditFault }) => (auditFault === null ? [] : [auditFault]),
});
