import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CatalogueFile } from './catalogue.ts';
import { dealToDevices } from './device-deal.ts';
import { parts, splitByPackage } from './split.ts';

const labels = ['js', 'md'];
/** `packages` packages; each tenth holds 150 files, the others 12. */
function tree(packages: number): CatalogueFile[] {
  return Array.from({ length: packages }, (_, p) => {
    const files = p % 10 === 0 ? 150 : 12;
    return Array.from({ length: files }, (_, f) => ({
      path: `p${p}/f${String(f).padStart(3, '0')}`,
      package: `p${p}`,
      label: labels[f % 2] ?? 'js',
      counts: new Uint8Array(),
    }));
  }).flat();
}

const splitOf = (packages: number, liveFilesMin = 10) => {
  const split = splitByPackage(tree(packages), { labels, liveFilesMin });
  if (!split.ok) throw new Error(split.error.message);
  return split.value;
};

describe('splitByPackage', () => {
  it('puts every package into one part only', () => {
    const { files } = splitOf(100);
    const seen = parts.flatMap((part) => [...new Set(files[part].map((file) => file.package))]);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.length).toBe(100);
  });

  it('gives 20, 40, 30 and 10 percent of the packages', () => {
    const { files } = splitOf(100);
    const sizes = parts.map((part) => new Set(files[part].map((file) => file.package)).size);
    expect(sizes).toEqual([20, 40, 30, 10]);
  });

  it('keeps live packages whole and at most 60 files of any other', () => {
    const { files } = splitOf(100);
    const largest = (part: (typeof parts)[number]): number => {
      const counts = new Map<string, number>();
      for (const file of files[part]) counts.set(file.package, (counts.get(file.package) ?? 0) + 1);
      return Math.max(...counts.values());
    };
    expect(parts.map(largest)).toEqual([60, 60, 150, 60]);
  });

  it('ignores labels that are no class', () => {
    const files = [...tree(100), { ...tree(1)[0]!, label: 'odd', path: 'p0/odd' }];
    const split = splitByPackage(files, { labels, liveFilesMin: 10 });
    expect(split.ok && parts.some((p) => split.value.files[p].some((f) => f.label === 'odd'))).toBe(
      false,
    );
  });

  it('is the same whatever order the files come in', () => {
    const files = tree(100);
    const options = { labels, liveFilesMin: 10 };
    const forward = splitByPackage(files, options);
    const backward = splitByPackage([...files].reverse(), options);
    expect(forward.ok && backward.ok && backward.value.salt).toBe(forward.ok && forward.value.salt);
  });

  it('answers data-set-too-small when a class cannot have three packages in each part', () => {
    const split = splitByPackage(tree(9), { labels, liveFilesMin: 10 });
    expect(!split.ok && split.error.code).toBe('data-set-too-small');
  });

  it('answers data-set-too-small when a class has its share of files but in one held-out package', () => {
    const rare = tree(100).map((file) => ({
      ...file,
      label: Number(file.package.slice(1)) % 10 === 0 ? 'md' : 'js',
    }));
    const split = splitByPackage(rare, { labels, liveFilesMin: 10 });
    expect(!split.ok && split.error.code).toBe('data-set-too-small');
  });

  it('answers data-set-too-small when the devices need more than is live', () => {
    const split = splitByPackage(tree(100), { labels, liveFilesMin: 100_000 });
    expect(!split.ok && split.error.code).toBe('data-set-too-small');
  });
});

describe('dealToDevices', () => {
  it('deals each file once and evenly, whatever the sizes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 9 }), (n, devices) => {
        const files = tree(n);
        const filesMin = Math.floor(files.length / devices);
        const deal = dealToDevices(files, { devices, filesMin });
        expect(deal.length).toBe(devices);
        expect(Math.min(...deal.map((hand) => hand.length))).toBeGreaterThanOrEqual(filesMin);
        expect(new Set(deal.flat()).size).toBe(files.length);
      }),
      { numRuns: 40 },
    );
  });

  it('refuses to give devices less than they need', () => {
    expect(() => dealToDevices(tree(2), { devices: 100, filesMin: 20 })).toThrow('need 2000');
  });
});
