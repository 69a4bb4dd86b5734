/** Short notices in the corner; each may carry one action (undo, open). */

import { useSyncExternalStore } from "react";

export interface Toast {
  id: number;
  text: string;
  kind: "done" | "error";
  action?: { label: string; run: () => void };
}

const SHOWN_MILLIS = 10_000;
let toasts: Toast[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

function publish(next: Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

export function dismissToast(id: number): void {
  publish(toasts.filter((each) => each.id !== id));
}

export function showToast(toast: Omit<Toast, "id">): void {
  const id = nextId;
  nextId += 1;
  publish([...toasts.slice(-2), { ...toast, id }]);
  setTimeout(() => dismissToast(id), SHOWN_MILLIS);
}

export function useToasts(): Toast[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
}
