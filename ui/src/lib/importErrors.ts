/** Where an import error is: its text begins with, or contains, `file:line:column: message`. Pure. */

import type { ImportErrorEntry } from "../api/types";

export interface ImportProblem {
  file: string;
  line: number | null;
  message: string;
  /** All of the text, when it says more than the message. */
  details: string | null;
}

/** The first line with a position gives line and message; else the last line (a traceback ends with its error). */
export function readImportError(entry: ImportErrorEntry): ImportProblem {
  const lines = entry.stack_trace.trim().split("\n");
  for (const text of lines) {
    const found = /^(?<before>.*?):(?<line>\d+)(?::\d+)?:\s*(?<message>.+)$/.exec(text.trim());
    if (found?.groups) {
      const message = (found.groups.message ?? "").replace(/^error(\[[^\]]*\])?:\s*/i, "");
      return { file: entry.filename, line: Number(found.groups.line), message, details: lines.length > 1 ? entry.stack_trace.trim() : null };
    }
  }
  const python = [...entry.stack_trace.matchAll(/line (\d+)/g)].at(-1);
  return {
    file: entry.filename,
    line: python ? Number(python[1]) : null,
    message: lines.at(-1)?.trim() ?? "",
    details: lines.length > 1 ? entry.stack_trace.trim() : null,
  };
}
