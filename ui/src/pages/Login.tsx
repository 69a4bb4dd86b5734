/** Logging in: a token, or a name and a password that buy one. */

import { useState } from "react";
import type { FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { Redirect, useLocation } from "wouter";
import { logIn } from "../api/actions";
import { ApiError } from "../api/client";
import { getToken, safeNextPath, setToken } from "../api/session";
import { Button, TextInput } from "../components/controls";
import { useErrorText } from "../components/feedback";
import { Logo } from "../components/TopBar";
import { useTitle } from "../lib/hooks";
import css from "./Login.module.css";

/** The token in `#token=…`, or null. */
export function tokenFromHash(hash: string): string | null {
  const token = new URLSearchParams(hash.replace(/^#/, "")).get("token");
  return token !== null && token.trim() !== "" ? token.trim() : null;
}

/** Asks the server who the token belongs to; throws when it is refused. */
async function check(token: string): Promise<void> {
  const response = await fetch("/api/v1/whoami", { headers: { Authorization: `Bearer ${token}` } });
  if (response.status === 401 || response.status === 403) throw new ApiError(401, "refused");
  if (!response.ok) throw new ApiError(response.status, `HTTP ${response.status}`);
}

export function Login() {
  const { t } = useTranslation();
  useTitle(t("login.title"));
  const [, navigate] = useLocation();
  const errorText = useErrorText();
  const [way, setWay] = useState<"token" | "password">("token");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const next = safeNextPath(new URLSearchParams(window.location.search).get("next"));
  if (getToken() !== null) return <Redirect to={next} replace />;

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const field = (name: string) => String(form.get(name) ?? "").trim();
    setBusy(true);
    setError(null);
    try {
      const token = way === "token" ? field("token") : await logIn(field("user"), String(form.get("password") ?? ""));
      await check(token);
      setToken(token);
      navigate(next, { replace: true });
    } catch (failure) {
      const refused = way === "token" && failure instanceof ApiError && failure.status === 401;
      const offline = failure instanceof TypeError ? new ApiError(0, "") : failure;
      setError(refused ? t("login.refused") : errorText(offline));
      setBusy(false);
    }
  };

  return (
    <main className={css.page}>
      <form className={css.card} onSubmit={(event) => void submit(event)}>
        <div className={css.brand}>
          <Logo />
          <h1>Millrace</h1>
        </div>
        <div className={css.ways}>
          <Button pressed={way === "token"} onClick={() => setWay("token")}>
            {t("login.token")}
          </Button>
          <Button pressed={way === "password"} onClick={() => setWay("password")}>
            {t("login.password")}
          </Button>
        </div>
        {way === "token" ? <TokenField /> : <PasswordFields />}
        {error === null ? null : (
          <p role="alert" className={css.error}>
            {error}
          </p>
        )}
        <Button kind="primary" type="submit" off={busy ? t("login.checking") : null}>
          {t("login.submit")}
        </Button>
      </form>
    </main>
  );
}

function TokenField() {
  const { t } = useTranslation();
  return (
    <label className={css.field}>
      <span>{t("login.tokenLabel")}</span>
      <TextInput name="token" type="password" autoComplete="off" required autoFocus mono />
      <small>{t("login.tokenHint")}</small>
    </label>
  );
}

function PasswordFields() {
  const { t } = useTranslation();
  return (
    <>
      <label className={css.field}>
        <span>{t("login.user")}</span>
        <TextInput name="user" autoComplete="username" required autoFocus />
      </label>
      <label className={css.field}>
        <span>{t("login.passwordLabel")}</span>
        <TextInput name="password" type="password" autoComplete="current-password" required />
      </label>
    </>
  );
}
