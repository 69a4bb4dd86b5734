/** The page's frame: providers, top bar, routes. Screens besides the list come as their own chunks. */

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Suspense, lazy, useEffect, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { ApiError } from "./api/client";
import { LiveUpdates } from "./api/live";
import type { LiveStatus } from "./api/live";
import { getToken, subscribeToken } from "./api/session";
import { ErrorBoundary, Loading } from "./components/feedback";
import { Toasts } from "./components/Toasts";
import { TipLayer } from "./components/TipLayer";
import { TopBar } from "./components/TopBar";
import { useQueryState } from "./lib/hooks";
import { idFromRoute } from "./lib/links";
import { DagList } from "./pages/DagList";
import { Login } from "./pages/Login";
import { NotFound } from "./pages/NotFound";
import css from "./App.module.css";

const DagPage = lazy(() => import("./pages/DagPage"));
const RunPage = lazy(() => import("./pages/RunPage"));
const TaskPage = lazy(() => import("./pages/TaskPage"));
const TriggerDialog = lazy(() => import("./pages/TriggerDialog"));
const AssetsPage = lazy(() => import("./pages/AssetsPage"));
const AdminPage = lazy(() => import("./pages/AdminPage"));

function mayRetry(failures: number, error: unknown): boolean {
  return failures < 2 && error instanceof ApiError && (error.status === 0 || error.status >= 502);
}

function newClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: { staleTime: 2_000, retry: mayRetry, refetchOnWindowFocus: false, refetchOnReconnect: false },
      mutations: { retry: false },
    },
  });
}

export function App() {
  const token = useSyncExternalStore(subscribeToken, getToken);
  return (
    <>
      {/* A new token is a new reader: nothing cached for the one before may show. */}
      {token === null ? <LoggedOut /> : <LoggedIn key={token} />}
      <Toasts />
      <TipLayer />
    </>
  );
}

function LoggedOut() {
  const [location] = useLocation();
  const here = window.location.pathname + window.location.search + window.location.hash;
  if (location === "/login") return <Login />;
  return <Redirect to={`/login?next=${encodeURIComponent(here)}`} replace />;
}

function LoggedIn() {
  const [client] = useState(newClient);
  const [status, setStatus] = useState<LiveStatus>("connecting");
  useEffect(() => {
    const live = new LiveUpdates(client, setStatus);
    live.start();
    return () => live.stop();
  }, [client]);
  return (
    <QueryClientProvider client={client}>
      <Frame status={status} />
    </QueryClientProvider>
  );
}

function Frame({ status }: { status: LiveStatus }) {
  const { t } = useTranslation();
  const [location] = useLocation();
  return (
    <div className={css.frame}>
      <a className={css.skip} href="#main">
        {t("nav.skip")}
      </a>
      <TopBar status={status} />
      <main id="main" className={css.main} tabIndex={-1}>
        <ErrorBoundary resetKey={location}>
          <Suspense fallback={<Loading />}>
            <Routes />
          </Suspense>
        </ErrorBoundary>
      </main>
      <TriggerHost />
    </div>
  );
}

/** `?trigger=<dag>` on any screen opens the trigger form; `&copy=<run>` fills it from a run. */
function TriggerHost() {
  const [params] = useQueryState();
  const dag = params.get("trigger");
  if (dag === null) return null;
  return (
    <Suspense fallback={null}>
      <TriggerDialog key={dag} dag={dag} copyOf={params.get("copy")} />
    </Suspense>
  );
}

function Routes() {
  return (
    <Switch>
      <Route path="/">
        <Redirect to="/dags" replace />
      </Route>
      <Route path="/login">
        <Login />
      </Route>
      <Route path="/dags" component={DagList} />
      <Route path="/dags/:dag">{(params) => <DagPage key={params.dag} dag={idFromRoute(params.dag)} />}</Route>
      <Route path="/dags/:dag/runs/:run">
        {(params) => <RunPage key={params.dag + params.run} dag={idFromRoute(params.dag)} run={idFromRoute(params.run)} />}
      </Route>
      <Route path="/dags/:dag/runs/:run/tasks/:task">
        {({ dag, run, task }) => <TaskPage key={dag + run + task} dag={idFromRoute(dag)} run={idFromRoute(run)} task={idFromRoute(task)} />}
      </Route>
      <Route path="/assets" component={AssetsPage} />
      <Route path="/admin/:kind">{(params) => <AdminPage key={params.kind} kind={params.kind} />}</Route>
      <Route component={NotFound} />
    </Switch>
  );
}
