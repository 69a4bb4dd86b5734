/** Reads a log by byte offset until it is complete; while it grows it is asked again, but never on a hidden page. */

import { useEffect, useState } from "react";
import { ApiError, call, path, query } from "../api/client";
import type { LogChunk } from "../api/types";
import { LineBuffer } from "./lines";

export interface LogSource {
  dag: string;
  run: string;
  task: string;
  mapIndex: number;
  tryNumber: number;
}

export interface LogState {
  buffer: LineBuffer;
  /** Grows with every change of the buffer. */
  revision: number;
  complete: boolean;
  loaded: boolean;
  error: Error | null;
}

const POLL_MILLIS = 700;
const MAX_POLL_MILLIS = 3_000;

export function fetchLog(source: LogSource, from: number, signal?: AbortSignal): Promise<LogChunk> {
  const address = path`/api/v1/dags/${source.dag}/runs/${source.run}/tasks/${source.task}/log`;
  return call("GET", address + query({ try_number: source.tryNumber, from, map_index: source.mapIndex }), signal ? { signal } : {});
}

function rest(millis: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
      resolve();
    };
    const shown = () => {
      if (!document.hidden) done();
    };
    // A hidden page waits for the moment it is looked at again.
    const timer = setTimeout(() => (document.hidden ? undefined : done()), millis);
    document.addEventListener("visibilitychange", shown);
    signal.addEventListener("abort", done, { once: true });
  });
}

export function useLog({ dag, run, task, mapIndex, tryNumber }: LogSource): LogState {
  const [state, setState] = useState<LogState>(fresh);
  useEffect(() => {
    const abort = new AbortController();
    const source = { dag, run, task, mapIndex, tryNumber };
    setState(fresh());
    void follow(source, abort.signal, (change) => {
      if (!abort.signal.aborted) setState((now) => ({ ...now, ...change, revision: now.revision + 1 }));
    });
    return () => abort.abort();
  }, [dag, run, task, mapIndex, tryNumber]);
  return state;
}

function fresh(): LogState {
  return { buffer: new LineBuffer(), revision: 0, complete: false, loaded: false, error: null };
}

/* oxlint-disable no-await-in-loop -- each read begins where the one before ended */
async function follow(source: LogSource, signal: AbortSignal, update: (change: Partial<LogState>) => void): Promise<void> {
  const buffer = new LineBuffer();
  let offset = 0;
  let waitMillis = POLL_MILLIS;
  while (!signal.aborted) {
    try {
      const chunk = await fetchLog(source, offset, signal);
      const grew = chunk.next_offset > offset;
      buffer.append(chunk.text);
      offset = chunk.next_offset;
      if (chunk.complete && !grew) buffer.finish();
      update({ buffer, loaded: true, complete: chunk.complete && !grew, error: null });
      if (chunk.complete && !grew) return;
      waitMillis = grew ? POLL_MILLIS : Math.min(MAX_POLL_MILLIS, waitMillis * 1.5);
      // The end is known only when a read brings nothing new; until then a complete log is read on at once.
      if (chunk.complete) continue;
    } catch (error) {
      if (signal.aborted) return;
      update({ error: error instanceof Error ? error : new Error(String(error)) });
      if (error instanceof ApiError && error.status !== 0 && error.status !== 404 && error.status < 500) return;
      waitMillis = MAX_POLL_MILLIS;
    }
    await rest(waitMillis, signal);
  }
}

/** The whole log as text, for a download. */
export async function wholeLog(source: LogSource): Promise<string> {
  const parts: string[] = [];
  let offset = 0;
  for (;;) {
    const chunk = await fetchLog(source, offset);
    parts.push(chunk.text);
    if (chunk.next_offset <= offset) return parts.join("");
    offset = chunk.next_offset;
  }
}
