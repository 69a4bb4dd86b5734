/** Small pure parts of the graph. */

/** A smooth path through the server's points: a curve where there are four, else straight pieces with round corners. */
export function edgePath(points: [number, number][]): string {
  const [first, ...rest] = points;
  if (!first || rest.length === 0) return "";
  const [a, b, c] = rest;
  if (a && b && c && rest.length === 3) return `M${first}C${a} ${b} ${c}`;
  if (rest.length <= 2) return `M${first}L${rest.join("L")}`;
  // A quadratic bend at each inner point keeps long edges readable.
  let path = `M${first}`;
  for (let i = 0; i < rest.length - 1; i += 1) {
    const [at, next] = [rest[i]!, rest[i + 1]!];
    const last = i === rest.length - 2;
    const end = last ? next : [(at[0] + next[0]) / 2, (at[1] + next[1]) / 2];
    path += `Q${at} ${end}`;
  }
  return path;
}

const ATTENTION = ["failed", "upstream_failed", "running", "restarting", "up_for_retry", "queued", "deferred", "awaiting_input", "up_for_reschedule", "scheduled"];

/** Of several states the one that needs a look first. */
export function worstState(states: (string | null)[]): string | null {
  for (const state of ATTENTION) if (states.includes(state)) return state;
  if (states.includes(null)) return null;
  return states.includes("success") ? "success" : (states[0] ?? null);
}
