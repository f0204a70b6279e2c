import { describe, expect, it } from 'vitest';
import { accuracyOf, answerRows } from '../../../firmware-bundles/evaluate/classifier-answers.ts';
import { openOnnxSession } from '../../../firmware-bundles/evaluate/onnx-session.ts';
import { writeModel } from '../../../firmware-bundles/onnx/model-writer.ts';
import {
  bearing6205,
  faultOrders,
} from '../../../firmware-bundles/zoo/bearing/bearing-geometry.ts';
import {
  type BearingDrift,
  bearingSamples,
  noDrift,
} from '../../../firmware-bundles/zoo/bearing/data-set.ts';
import {
  bearingRow,
  bearingTensors,
  fitBearing,
} from '../../../firmware-bundles/zoo/bearing/release.ts';

describe('faultOrders', () => {
  it('gives the published fault frequencies of a 6205 bearing', () => {
    // Drive-end table of the Case Western Reserve University bearing data: multiples of the shaft speed.
    const orders = faultOrders(bearing6205);
    expect(orders.outer).toBeCloseTo(3.5848, 3);
    expect(orders.inner).toBeCloseTo(5.4152, 3);
    expect(2 * orders.ball).toBeCloseTo(4.7135, 2);
    expect(orders.cage).toBeCloseTo(0.39828, 3);
  });
});

describe('bearing', () => {
  const graph = writeModel(fitBearing(bearingSamples({ seed: 'learn', count: 400 })));
  const accuracy = async (drift: BearingDrift): Promise<number> => {
    const session = await openOnnxSession({ graph });
    const samples = bearingSamples({ seed: 'held', count: 200, drift });
    const answers = await answerRows(session, {
      ...bearingTensors,
      type: 'float32',
      rows: samples.map(bearingRow),
    });
    await session.close();
    return accuracyOf(
      answers,
      samples.map((sample) => sample.label),
    ).estimate;
  };

  it('tells four states of machines it never saw', async () => {
    expect(await accuracy(noDrift)).toBeGreaterThan(0.8);
  });

  it('gets worse when the sensor or the machine drifts', async () => {
    const steady = await accuracy(noDrift);
    expect(await accuracy({ ...noDrift, gain: 5 })).toBeLessThan(steady - 0.05);
    expect(await accuracy({ ...noDrift, resonance: 0.3 })).toBeLessThan(steady - 0.05);
  });

  it('gives the same windows for the same seed', () => {
    const once = bearingSamples({ seed: 'again', count: 4 });
    expect(bearingSamples({ seed: 'again', count: 4 })).toEqual(once);
    expect(bearingSamples({ seed: 'other', count: 4 })).not.toEqual(once);
  });
});
