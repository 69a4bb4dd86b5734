/** The reader's choices, kept by the browser: theme, zone of dates, language. */

import { useSyncExternalStore } from "react";
import type { Zone } from "./time";

export type Theme = "system" | "light" | "dark";
export type Language = "en" | "ko";

export interface Prefs {
  theme: Theme;
  zone: Zone;
  language: Language;
}

const KEY = "millrace.prefs";
const listeners = new Set<() => void>();

function pick<T extends string>(value: unknown, allowed: readonly T[], fallback: T): T {
  return allowed.find((each) => each === value) ?? fallback;
}

function load(): Prefs {
  let stored: Partial<Record<keyof Prefs, unknown>> = {};
  try {
    stored = (JSON.parse(localStorage.getItem(KEY) ?? "{}") as typeof stored | null) ?? {};
  } catch {
    // Unreadable preferences are no preferences.
  }
  const browser: Language = navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en";
  return {
    theme: pick(stored.theme, ["system", "light", "dark"], "system"),
    zone: pick(stored.zone, ["local", "utc"], "local"),
    language: pick(stored.language, ["en", "ko"], browser),
  };
}

let prefs: Prefs = load();

/** Puts theme and language where CSS and screen readers see them. */
export function applyPrefs(): void {
  const root = document.documentElement;
  if (prefs.theme === "system") delete root.dataset.theme;
  else root.dataset.theme = prefs.theme;
  root.lang = prefs.language;
}

export function getPrefs(): Prefs {
  return prefs;
}

export function setPrefs(change: Partial<Prefs>): void {
  prefs = { ...prefs, ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(prefs));
  } catch {
    // Without storage the choice holds until the page closes.
  }
  applyPrefs();
  for (const listener of listeners) listener();
}

export function subscribePrefs(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function usePrefs(): Prefs {
  return useSyncExternalStore(subscribePrefs, getPrefs);
}
