/** The token of this tab. It lives in sessionStorage and leaves only as an Authorization header. */

const KEY = "millrace.token";
const listeners = new Set<() => void>();
let token: string | null = readStored();

function readStored(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export function getToken(): string | null {
  return token;
}

export function setToken(next: string | null): void {
  token = next;
  try {
    if (next === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, next);
  } catch {
    // Storage may be refused by the browser; the token then lives as long as the page.
  }
  for (const listener of listeners) listener();
}

export function subscribeToken(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The path to come back to after a login; only paths of this site. */
export function safeNextPath(next: string | null): string {
  return next !== null && /^\/(?![/\\])/.test(next) ? next : "/dags";
}
