/** What a screen shows when it has nothing to show: loading, empty, failed. */

import { Component } from "react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "../api/client";
import { Button } from "./controls";
import css from "./controls.module.css";

export function Loading() {
  const { t } = useTranslation();
  return (
    <div className={css.loading} role="status">
      {t("common.loading")}
    </div>
  );
}

export function Empty({ title, hint, children }: { title: string; hint?: ReactNode; children?: ReactNode }) {
  return (
    <div className={css.empty}>
      <h2>{title}</h2>
      {hint === undefined ? null : <p>{hint}</p>}
      {children}
    </div>
  );
}

/** The server's words for a failed request. */
export function useErrorText(): (error: unknown) => string {
  const { t } = useTranslation();
  return (error) => {
    if (error instanceof ApiError && error.status === 0) return t("common.unreachable");
    return error instanceof Error ? error.message : String(error);
  };
}

export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation();
  const text = useErrorText();
  return (
    <div className={css.failure} role="alert">
      <p>
        <strong>{t("common.failed")}</strong>
        {text(error)}
      </p>
      {onRetry ? <Button onClick={onRetry}>{t("common.retry")}</Button> : null}
    </div>
  );
}

interface QueryLike<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
}

/** The usual three faces of a query. Data that is there stays on screen even if a later refresh fails. */
export function Loaded<T>({ query, children }: { query: QueryLike<T>; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) return children(query.data);
  if (query.error) return <Failure error={query.error} onRetry={() => void query.refetch()} />;
  return <Loading />;
}

function Crashed({ error }: { error: Error }) {
  const { t } = useTranslation();
  return (
    <Empty title={t("common.crashed")} hint={t("common.crashedHint")}>
      <code>{error.message}</code>
      <Button onClick={() => window.location.reload()}>{t("common.reload")}</Button>
    </Empty>
  );
}

interface BoundaryProps {
  /** A change of this (the address) gives the screen another chance. */
  resetKey: string;
  children: ReactNode;
}

/** Keeps a failing screen from taking the whole page away. */
export class ErrorBoundary extends Component<BoundaryProps, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: Error } {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override componentDidUpdate(before: BoundaryProps): void {
    // oxlint-disable-next-line react/no-did-update-set-state -- only when the address changes
    if (before.resetKey !== this.props.resetKey && this.state.error) this.setState({ error: null });
  }

  override render(): ReactNode {
    return this.state.error ? <Crashed error={this.state.error} /> : this.props.children;
  }
}
