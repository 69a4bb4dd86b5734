// The mock's assets: training writes the model, which starts the deployment once the approval has come too.

const CT = "credit_score_classification_ct";
const CD = "credit_score_classification_cd";
const now = () => new Date().toISOString();

const ASSETS = [
  { id: 1, name: "approval", uri: "approval", group: "asset", producers: [], consumers: [], starts: [{ dag_id: CD, has_changed: false }], last_event: null },
  {
    id: 2, name: "model", uri: "model://credit_score_classifier", group: "models",
    producers: [{ dag_id: CT, task_id: "model_training" }], consumers: [{ dag_id: CD, task_id: "deploy" }],
    starts: [{ dag_id: CD, has_changed: true }],
    last_event: { id: 7, timestamp: now(), source_dag_id: CT, source_run_id: "scheduled__2026-11-19T15:00:00+00:00", source_task_id: "model_training" },
  },
];
let last = 7;

export function assetGraph(q) {
  const shown = ASSETS.filter((asset) => asset.name.includes(q.toLowerCase()));
  return { assets: shown, total_entries: shown.length };
}

export function reportAsset(body) {
  const asset = ASSETS.find((each) => each.id === body.asset_id);
  last += 1;
  asset.last_event = { id: last, timestamp: now(), source_dag_id: null, source_run_id: null, source_task_id: null };
  asset.starts.forEach((dag) => { dag.has_changed = true; });
  const complete = ASSETS.every((each) => each.starts.every((dag) => dag.has_changed));
  if (complete) ASSETS.forEach((each) => each.starts.forEach((dag) => { dag.has_changed = false; }));
  const run = { dag_id: CD, run_id: `asset_triggered__${now()}`, triggering: true };
  return { id: last, asset_id: asset.id, name: asset.name, extra: body.extra, created_dagruns: complete ? [run] : [] };
}
