import {
  BundlePageSchema,
  BundleQuerySchema,
  type BundleView,
} from '../../shared/contracts/api/bundle.ts';
import { isTargetPath, type TargetPath } from '../../shared/core/ids.ts';
import type { Bundle } from '../core/model/bundle.ts';
import type { BundleShelf } from '../runner/bundle-shelf.ts';
import { viewerOfFleet } from './access.ts';
import { Cursors } from './cursor.ts';
import { FleetParams } from './fleet-params.ts';
import type { HttpApp } from './http-app.ts';

const isKey = (value: unknown): value is TargetPath =>
  typeof value === 'string' && isTargetPath(value);

export async function bundleRoutes(app: HttpApp, { bundles }: { readonly bundles: BundleShelf }) {
  app.get(
    '/fleets/:fleet/bundles',
    {
      config: { access: viewerOfFleet },
      schema: {
        operationId: 'listBundles',
        summary: 'List the published bundles the fleet may read',
        tags: ['bundles'],
        params: FleetParams,
        querystring: BundleQuerySchema,
        response: { 200: BundlePageSchema },
      },
    },
    async ({ params: { fleet }, query }) => {
      const { name } = query;
      return new Cursors(['bundles', fleet, name ?? null], isKey).answer(query, {
        read: (page) => bundles.list(fleet, { page, ...(name === undefined ? {} : { name }) }),
        keyOf: (bundle) => bundle.path,
        show,
      });
    },
  );
}

const show = (bundle: Bundle): BundleView => ({
  path: bundle.path,
  name: bundle.name as BundleView['name'],
  version: bundle.version,
  digest: bundle.digest,
  status: bundle.status,
  publishedAtMs: bundle.publishedAtMs,
  contentReleasedAtMs: bundle.contentReleasedAtMs,
});
