/** What a person types as the extra of an asset event. Pure. */

export type ReadExtra = { ok: true; extra: Record<string, unknown> } | { ok: false; why: "json" | "object"; message: string };

/** A JSON object; nothing at all is the empty one. */
export function readExtra(text: string): ReadExtra {
  if (text.trim() === "") return { ok: true, extra: {} };
  try {
    const read: unknown = JSON.parse(text);
    if (typeof read === "object" && read !== null && !Array.isArray(read)) return { ok: true, extra: read as Record<string, unknown> };
    return { ok: false, why: "object", message: "" };
  } catch (error) {
    return { ok: false, why: "json", message: error instanceof Error ? error.message : String(error) };
  }
}
