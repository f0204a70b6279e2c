import type { Signer } from './signer.ts';

/** Online keys of the server. One key, one purpose; root and targets never lie here. */
export const onlineRoles = ['snapshot', 'timestamp', 'federated', 'director', 'audit'] as const;
export type OnlineRole = (typeof onlineRoles)[number];

/** Signs for one role at a time; the secret never leaves the adapter. */
export interface KeyStore {
  signer(role: OnlineRole): Signer;
}
