/** Small hooks shared by the screens. */

import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { useLocation, useSearch } from "wouter";
import { usePrefs } from "./prefs";
import { localZone } from "./time";

/** The zone in which dates are shown. */
export function useZone(): string {
  return usePrefs().zone === "utc" ? "UTC" : localZone();
}

type Change = Record<string, string | number | null>;

/** The address's query: the state of a screen. `set` keeps the other keys; `null` or "" removes one. */
export function useQueryState(): [URLSearchParams, (change: Change, push?: boolean) => void] {
  const search = useSearch();
  const [, navigate] = useLocation();
  // oxlint-disable-next-line react/exhaustive-deps -- `search` tells that the address changed
  const params = useMemo(() => new URLSearchParams(window.location.search), [search]);
  const set = useCallback(
    (change: Change, push = false) => {
      const next = new URLSearchParams(window.location.search);
      for (const [key, value] of Object.entries(change)) {
        if (value === null || value === "") next.delete(key);
        else next.set(key, String(value));
      }
      const text = next.toString();
      navigate(window.location.pathname + (text ? `?${text}` : "") + window.location.hash, { replace: !push });
    },
    [navigate],
  );
  return [params, set];
}

/** The time, once every `everyMillis` while `active`. */
export function useNow(everyMillis = 1000, active = true): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!active) return;
    setNow(Date.now());
    const timer = setInterval(() => {
      if (!document.hidden) setNow(Date.now());
    }, everyMillis);
    return () => clearInterval(timer);
  }, [everyMillis, active]);
  return now;
}

/** `value`, after it has rested for `restMillis`. */
export function useRested<T>(value: T, restMillis: number): T {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), restMillis);
    return () => clearTimeout(timer);
  }, [value, restMillis]);
  return rested;
}

export function useMediaQuery(text: string): boolean {
  const list = useMemo(() => window.matchMedia(text), [text]);
  return useSyncExternalStore(
    (listener) => {
      list.addEventListener("change", listener);
      return () => list.removeEventListener("change", listener);
    },
    () => list.matches,
  );
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Millrace`;
  }, [title]);
}
