/**
 * One key, one purpose: every DSSE payload type with the single role that may sign it.
 * A verifier names the type it expects; there is no default and no "any".
 */
export const payloadTypes = {
  desired: { type: 'application/vnd.skein.desired.v1+json', role: 'director' },
  command: { type: 'application/vnd.skein.command.v1+json', role: 'director' },
  round: { type: 'application/vnd.skein.round.v1+json', role: 'director' },
  serverTime: { type: 'application/vnd.skein.server-time.v1+json', role: 'director' },
  reported: { type: 'application/vnd.skein.reported.v1+json', role: 'device' },
  loginAssertion: { type: 'application/vnd.skein.login-assertion.v1+json', role: 'device' },
  enrolment: { type: 'application/vnd.skein.enrolment.v1+json', role: 'device' },
  roundReport: { type: 'application/vnd.skein.round-report.v1+json', role: 'device' },
  auditHead: { type: 'application/vnd.skein.audit-head.v1+json', role: 'audit' },
} as const;

export type PayloadKind = keyof typeof payloadTypes;
export type SigningRole = (typeof payloadTypes)[PayloadKind]['role'];
