/** States as Airflow names them, with the glyph and the colour token each is drawn in. */

export const TASK_STATES = [
  "success",
  "running",
  "failed",
  "upstream_failed",
  "skipped",
  "up_for_retry",
  "up_for_reschedule",
  "queued",
  "scheduled",
  "deferred",
  "awaiting_input",
  "restarting",
  "removed",
] as const;

export type TaskState = (typeof TASK_STATES)[number];
/** A state as the API sends it; `null` means the task instance has no state yet. */
export type StateName = string | null | undefined;

const UNFINISHED = new Set(["running", "queued", "scheduled", "restarting", "up_for_retry", "up_for_reschedule", "deferred", "awaiting_input"]);

/** Whether a task instance or a dag run in this state can still change by itself. */
export function isActive(state: StateName): boolean {
  return typeof state === "string" && UNFINISHED.has(state);
}

/** The key under which a state has its glyph, token and translation. */
export function stateKey(state: StateName): TaskState | "none" {
  return TASK_STATES.find((known) => known === state) ?? "none";
}

/** A CSS colour of the state. */
export function stateColour(state: StateName): string {
  return `var(--state-${stateKey(state)})`;
}

/** Stroked paths in a 16×16 box, so that a state never depends on its colour alone. */
export const GLYPHS: Record<TaskState | "none", string> = {
  success: "M3.6 8.4 6.7 11.5 12.4 4.9",
  failed: "M4.4 4.4 11.6 11.6M11.6 4.4 4.4 11.6",
  running: "M5.8 3.9 12 8 5.8 12.1Z",
  queued: "M3.8 5h8.4M3.8 8h8.4M3.8 11h8.4",
  scheduled: "M8 4v4.2l2.8 1.8",
  up_for_retry: "M11.9 6.2A4.3 4.3 0 1 0 12.2 9M12.4 3.4V6.4H9.4",
  up_for_reschedule: "M3.6 8h8.4M8.8 4.8 12 8l-3.2 3.2",
  upstream_failed: "M8 12.4V4M4.6 7.2 8 3.8l3.4 3.4",
  skipped: "M3.8 4.4 7.4 8l-3.6 3.6M8.6 4.4 12.2 8l-3.6 3.6",
  deferred: "M6 4.4v7.2M10 4.4v7.2",
  awaiting_input: "M5.6 6a2.4 2.4 0 1 1 3.4 2.2c-.7.3-1 .7-1 1.3M8 12v.1",
  restarting: "M4.1 6.2A4.3 4.3 0 1 1 3.8 9M3.6 3.4V6.4H6.6",
  removed: "M4.4 8h7.2",
  none: "M8 8v.1",
};
