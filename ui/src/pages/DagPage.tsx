/** One DAG: grid, graph, code and details of it. */

import { useQuery } from "@tanstack/react-query";
import { Play } from "lucide-react";
import { Suspense, lazy } from "react";
import { useTranslation } from "react-i18next";
import { dagQuery, gridQuery, sourceQuery } from "../api/queries";
import type { Dag } from "../api/types";
import { Button, CopyButton, Select, Switch } from "../components/controls";
import { Code } from "../components/Code";
import { Loaded, Loading } from "../components/feedback";
import { Facts, PageHead } from "../components/PageHead";
import { Tabs } from "../components/Tabs";
import { Time } from "../components/Time";
import { GraphView } from "../graph/GraphView";
import { GridView } from "../grid/GridView";
import { useReadOnlyReason } from "../lib/access";
import { useQueryState, useTitle, useZone } from "../lib/hooks";
import { usePause } from "../lib/pause";
import { stateKey } from "../lib/state";
import { formatInstant } from "../lib/time";
import controls from "../components/controls.module.css";
import css from "./DagPage.module.css";

const BackfillsTab = lazy(() => import("./BackfillsTab"));
const VIEWS = ["grid", "graph", "backfills", "code", "details"] as const;

export default function DagPage({ dag }: { dag: string }) {
  const { t } = useTranslation();
  useTitle(dag);
  const [params] = useQueryState();
  const view = VIEWS.find((each) => each === params.get("view")) ?? "grid";
  const query = useQuery(dagQuery(dag));
  return (
    <Loaded query={query}>
      {(info) => (
        <>
          <Head dag={dag} info={info} />
          <Tabs label={t("dag.views")} current={view} views={VIEWS.map((id) => ({ id, name: t(`dag.${id}`) }))} />
          {view === "grid" ? <GridView dag={dag} /> : null}
          {view === "graph" ? <GraphTab dag={dag} /> : null}
          {view === "backfills" ? (
            <Suspense fallback={<Loading />}>
              <BackfillsTab dag={dag} />
            </Suspense>
          ) : null}
          {view === "code" ? <CodeTab dag={dag} /> : null}
          {view === "details" ? <DetailsTab info={info} /> : null}
        </>
      )}
    </Loaded>
  );
}

function Head({ dag, info }: { dag: string; info: Dag }) {
  const { t } = useTranslation();
  const [, setParams] = useQueryState();
  const pause = usePause();
  const readOnly = useReadOnlyReason();
  // Airflow's word for a DAG without a schedule.
  const schedule = info.timetable_summary === "None" ? null : (info.timetable_description ?? info.timetable_summary);
  return (
    <PageHead
      trail={[{ href: "/dags", text: t("dags.title") }]}
      title={info.dag_display_name}
      badge={
        <Switch
          checked={!info.is_paused}
          off={readOnly}
          label={t(info.is_paused ? "dags.switchOn" : "dags.switchOff", { dag })}
          onChange={(on) => pause(dag, !on)}
        />
      }
      actions={
        <Button kind="primary" off={readOnly} onClick={() => setParams({ trigger: dag }, true)}>
          <Play />
          {t("dags.trigger")}
        </Button>
      }
    >
      {info.description ? <p className={css.description}>{info.description}</p> : null}
      <p className={css.line}>
        <span>{schedule || t("dags.noSchedule")}</span>
        {info.is_paused ? <span>{t("dags.pausedNext")}</span> : null}
        {!info.is_paused && info.next_dagrun_run_after ? (
          <span>
            {t("dags.next")} <Time at={info.next_dagrun_run_after} relative />
          </span>
        ) : null}
        {info.owners.length > 0 ? <span>{info.owners.join(", ")}</span> : null}
        {info.tags.map((tag) => (
          <span key={tag.name} className={controls.chip} data-tip={tag.name}>
            {tag.name}
          </span>
        ))}
      </p>
    </PageHead>
  );
}

function GraphTab({ dag }: { dag: string }) {
  const { t } = useTranslation();
  const zone = useZone();
  const [params, setParams] = useQueryState();
  const runs = useQuery(gridQuery(dag, 30));
  const newestFirst = (runs.data?.runs ?? []).toReversed();
  const asked = params.get("run");
  const run = asked === "none" ? null : (asked ?? newestFirst[0]?.run_id ?? null);
  return (
    <>
      <label className={css.tools}>
        {t("graph.run")}{" "}
        <Select aria-label={t("graph.run")} value={run ?? "none"} onChange={(event) => setParams({ run: event.target.value })}>
          <option value="none">{t("graph.noRun")}</option>
          {run !== null && !newestFirst.some((each) => each.run_id === run) ? <option value={run}>{run}</option> : null}
          {newestFirst.map((each) => (
            <option key={each.run_id} value={each.run_id}>
              {formatInstant(each.logical_date ?? each.run_after, zone, false)} · {t(`runType.${each.run_type}`, { defaultValue: each.run_type })} ·{" "}
              {t(`state.${stateKey(each.state)}`)}
            </option>
          ))}
        </Select>
      </label>
      {runs.data || runs.error ? <GraphView key={run} dag={dag} run={run} /> : null}
    </>
  );
}

function CodeTab({ dag }: { dag: string }) {
  const { t } = useTranslation();
  const query = useQuery(sourceQuery(dag));
  return (
    <Loaded query={query}>
      {(source) => (
        <>
          <div className={css.tools}>
            {source.version_number === null ? null : <span>{t("dag.version", { version: source.version_number })}</span>}
            <CopyButton text={source.content} label={t("dag.copyCode")} />
          </div>
          <Code text={source.content} />
        </>
      )}
    </Loaded>
  );
}

function DetailsTab({ info }: { info: Dag }) {
  const { t } = useTranslation();
  return (
    <Facts
      facts={{
        [t("dag.file")]: <code>{info.relative_fileloc ?? info.fileloc}</code>,
        [t("dags.schedule")]: info.timetable_summary,
        [t("dag.maxActiveRuns")]: info.max_active_runs === null ? null : String(info.max_active_runs),
        [t("dag.maxActiveTasks")]: String(info.max_active_tasks),
        [t("dag.parsed")]: info.last_parsed_time ? <Time at={info.last_parsed_time} /> : null,
        [t("dags.owner")]: info.owners.join(", "),
      }}
    />
  );
}
