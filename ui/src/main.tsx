/** Starts the page: preferences, a token from the address, translations, then the screens. */

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { setToken } from "./api/session";
import { startI18n } from "./i18n";
import { applyPrefs } from "./lib/prefs";
import { tokenFromHash } from "./pages/Login";
import "./styles/tokens.css";
import "./styles/base.css";

applyPrefs();

// `/login#token=…`, as a standalone server prints it: the token must not stay in the address or the history.
function takeToken(): void {
  const handed = tokenFromHash(window.location.hash);
  if (handed === null) return;
  const target = window.location.pathname === "/login" ? "/dags" : window.location.pathname;
  window.history.replaceState(null, "", target + window.location.search);
  setToken(handed);
}

takeToken();
window.addEventListener("hashchange", takeToken);

// Not a top-level await: the bundler joins the first load into one file only without it.
void startI18n().then(() => {
  const root = document.getElementById("root");
  if (!root) return;
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
});
