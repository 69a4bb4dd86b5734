/**
 * Live updates: one event stream for the whole page. Each event patches what is on screen at once and asks for the
 * rest soon after; without a stream the active queries are asked again every 5 s; a hidden page asks nothing.
 */

import type { QueryClient } from "@tanstack/react-query";
import { SseParser } from "../lib/sse";
import { authHeaders, endsSession, query } from "./client";
import { keys } from "./queries";
import { getToken, setToken } from "./session";
import type { LiveEvent, TaskInstanceList } from "./types";

export type LiveStatus = "connecting" | "live" | "polling" | "hidden";

const POLL_MILLIS = 5_000;
const REFRESH_MILLIS = 250;
const MAX_RETRY_MILLIS = 15_000;

/** The query keys that an event makes stale. */
export function staleKeys(event: LiveEvent): (readonly unknown[])[] {
  if (event.kind === "import_error") return [keys.importErrors, keys.dags];
  if (event.kind === "hello" || event.dag_id === undefined) return [];
  if (event.kind === "dag") return [keys.dags, keys.assets, keys.dag(event.dag_id), ["graph", event.dag_id], ["params", event.dag_id], ["source", event.dag_id]];
  if (event.run_id === undefined) return [keys.dag(event.dag_id)];
  const run = [keys.grid(event.dag_id), keys.run(event.dag_id, event.run_id)];
  return event.kind === "run" ? [keys.dags, keys.assets, keys.backfills(event.dag_id), ...run] : run;
}

/** Shows a task instance's new state before the refreshed answer arrives. */
export function patchTasks(list: TaskInstanceList | undefined, event: LiveEvent): TaskInstanceList | undefined {
  if (!list || event.state === undefined) return list;
  return {
    ...list,
    task_instances: list.task_instances.map((ti) =>
      ti.task_id === event.task_id && ti.map_index === (event.map_index ?? -1)
        ? { ...ti, state: event.state ?? null, try_number: event.try_number ?? ti.try_number }
        : ti,
    ),
  };
}

export class LiveUpdates {
  #client: QueryClient;
  #onStatus: (status: LiveStatus) => void;
  #cursor: string | null = null;
  #abort: AbortController | null = null;
  #pollTimer: ReturnType<typeof setInterval> | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #refreshTimer: ReturnType<typeof setTimeout> | undefined;
  #stale = new Map<string, readonly unknown[]>();
  #failures = 0;
  #stopped = true;

  constructor(client: QueryClient, onStatus: (status: LiveStatus) => void) {
    this.#client = client;
    this.#onStatus = onStatus;
  }

  start(): void {
    this.#stopped = false;
    document.addEventListener("visibilitychange", this.#visibility);
    if (document.hidden) this.#onStatus("hidden");
    else void this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    document.removeEventListener("visibilitychange", this.#visibility);
    this.#pause();
  }

  #visibility = (): void => {
    if (document.hidden) {
      this.#pause();
      this.#onStatus("hidden");
      return;
    }
    void this.#client.invalidateQueries({ type: "active" });
    void this.#connect();
  };

  #pause(): void {
    this.#abort?.abort();
    this.#abort = null;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#refreshTimer);
    this.#refreshTimer = undefined;
    this.#setPolling(false);
  }

  #setPolling(on: boolean): void {
    clearInterval(this.#pollTimer);
    this.#pollTimer = on ? setInterval(() => void this.#client.invalidateQueries({ type: "active" }), POLL_MILLIS) : undefined;
  }

  async #connect(): Promise<void> {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    if (this.#failures === 0) this.#onStatus("connecting");
    try {
      const response = await fetch(`/api/v1/events${query({ since: this.#cursor })}`, {
        headers: { Accept: "text/event-stream", ...authHeaders() },
        signal: abort.signal,
      });
      if (!response.ok || !response.body) {
        if (endsSession(response.status, null) && getToken() !== null) setToken(null);
        throw new Error(`HTTP ${response.status}`);
      }
      await this.#read(response.body);
    } catch {
      // Any failure of the stream leads to the same thing: poll, and try again.
    }
    if (!abort.signal.aborted && !this.#stopped) this.#retryLater();
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
    const parser = new SseParser();
    if (this.#failures > 0) void this.#client.invalidateQueries({ type: "active" });
    this.#failures = 0;
    this.#setPolling(false);
    this.#onStatus("live");
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- a stream is read piece after piece
      const { done, value } = await reader.read();
      if (done) return;
      for (const message of parser.push(value)) this.#apply(message.id, message.data);
    }
  }

  #retryLater(): void {
    this.#failures += 1;
    this.#onStatus("polling");
    if (this.#pollTimer === undefined) this.#setPolling(true);
    const delay = Math.min(MAX_RETRY_MILLIS, 500 * 2 ** this.#failures);
    this.#retryTimer = setTimeout(() => void this.#connect(), delay);
  }

  #apply(id: string | null, data: string): void {
    let event: LiveEvent;
    try {
      event = JSON.parse(data) as LiveEvent;
    } catch {
      return;
    }
    this.#cursor = String(event.id ?? id ?? this.#cursor ?? "");
    if (event.kind === "ti" && event.dag_id !== undefined && event.run_id !== undefined) {
      this.#client.setQueryData<TaskInstanceList>(keys.tasks(event.dag_id, event.run_id), (list) => patchTasks(list, event));
    }
    for (const key of staleKeys(event)) this.#stale.set(JSON.stringify(key), key);
    this.#refreshSoon();
  }

  #refreshSoon(): void {
    if (this.#stale.size === 0 || this.#refreshTimer !== undefined) return;
    this.#refreshTimer = setTimeout(() => void this.#refresh(), REFRESH_MILLIS);
  }

  // The next refresh waits for this one: a storm of events must not cancel its own requests for ever.
  async #refresh(): Promise<void> {
    const stale = [...this.#stale.values()];
    this.#stale.clear();
    await Promise.all(stale.map((queryKey) => this.#client.invalidateQueries({ queryKey })));
    this.#refreshTimer = undefined;
    if (!this.#stopped && !document.hidden) this.#refreshSoon();
  }
}
