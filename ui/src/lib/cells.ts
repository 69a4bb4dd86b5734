/** The grid's compact form: one byte a cell, run-major, an index into the names of states. */

import type { GridResponse } from "../api/types";

const NONE = 255;

export interface GridCells {
  /** State of a task in a run, `null` when it has none or lies outside. */
  at(runIndex: number, taskIndex: number): string | null;
}

/** Base64 → bytes. Throws when the text is not base64. */
export function decodeBytes(base64: string): Uint8Array {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Reads a grid's cells; a payload of the wrong length is an error, never a shifted picture. */
export function decodeCells(grid: Pick<GridResponse, "cells" | "states" | "tasks" | "runs">): GridCells {
  const bytes = decodeBytes(grid.cells);
  const tasks = grid.tasks.length;
  const expected = tasks * grid.runs.length;
  if (bytes.length !== expected) {
    throw new Error(`the grid has ${bytes.length} cells where ${grid.runs.length} runs × ${tasks} tasks need ${expected}`);
  }
  return {
    at(runIndex, taskIndex) {
      if (taskIndex < 0 || taskIndex >= tasks || runIndex < 0) return null;
      const index = bytes[runIndex * tasks + taskIndex];
      return index === undefined || index === NONE ? null : (grid.states[index] ?? null);
    },
  };
}
