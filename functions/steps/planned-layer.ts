import type { LayerForecast } from '../../core/api/forecast.ts';
import type { PlannedLayer } from '../../core/plan.ts';
import type { Prediction } from '../../core/planner/predict.ts';
import type { PlannedStream } from './streams.ts';

/** What is done with a layer, as its VM's record tells it. */
export function plannedLayer(planned: PlannedStream, turn: number | undefined): PlannedLayer {
  const { stream, layer, isBase, vms, chosen, facts, published } = planned;
  return {
    treatment: chosen.treatment,
    reason: chosen.reason,
    stream,
    kind: layer.kind,
    name: layer.name,
    ...(layer.layer_id === undefined ? {} : { layerId: layer.layer_id }),
    virtualBytes: layer.virtual_bytes,
    dataBytes: layer.data_bytes,
    shared: isBase && vms.length > 1,
    stored: facts.stored && chosen.treatment === 'dedup',
    ...(published && chosen.treatment === 'dedup' ? { published } : {}),
    ...(turn === undefined ? {} : { turn }),
    forecast: forecastOf(planned),
  };
}

function forecastOf({ chosen, facts }: PlannedStream): LayerForecast {
  const { duplicates, compressed, level } = facts;
  const { other } = chosen;
  return {
    ...taken(chosen.prediction),
    pulled_bytes: Math.round(chosen.prediction.pulledBytes),
    ...(other === undefined ? {} : { other: { treatment: other.treatment, ...taken(other) } }),
    ...(duplicates === undefined ? {} : { duplicates }),
    ...(compressed === undefined ? {} : { compressed }),
    ...(level === undefined ? {} : { level }),
  };
}

function taken({ milliseconds, wireBytes }: Prediction) {
  return { milliseconds: Math.round(milliseconds), wire_bytes: Math.round(wireBytes) };
}
