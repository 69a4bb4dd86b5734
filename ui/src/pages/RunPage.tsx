/** One dag run: how it stands, its task instances, its graph, and what one may do with it. */

import { useQuery } from "@tanstack/react-query";
import { Eraser, RotateCcw } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { runQuery, tasksQuery } from "../api/queries";
import type { DagRun, TaskInstance } from "../api/types";
import { Button } from "../components/controls";
import { Empty, Loaded } from "../components/feedback";
import { Facts, PageHead } from "../components/PageHead";
import { StateBadge, StateGlyph } from "../components/State";
import { Tabs } from "../components/Tabs";
import { Duration, Time } from "../components/Time";
import { GraphView } from "../graph/GraphView";
import { useReadOnlyReason } from "../lib/access";
import { useQueryState, useTitle } from "../lib/hooks";
import { dagLink, taskLink } from "../lib/links";
import { prettyJson } from "../lib/params";
import { isActive } from "../lib/state";
import { ClearDialog } from "./ClearDialog";
import { MarkButtons } from "./MarkButtons";
import { TaskTable } from "./TaskTable";
import css from "./RunPage.module.css";

const VIEWS = ["tasks", "graph", "details"] as const;

export default function RunPage({ dag, run }: { dag: string; run: string }) {
  const { t } = useTranslation();
  useTitle(`${run} · ${dag}`);
  const [params] = useQueryState();
  const view = VIEWS.find((each) => each === params.get("view")) ?? "tasks";
  const query = useQuery(runQuery(dag, run));
  const tasks = useQuery(tasksQuery(dag, run));
  return (
    <Loaded query={query}>
      {(info) => (
        <>
          <Head info={info} tasks={tasks.data?.task_instances ?? []} />
          <FirstFailure info={info} tasks={tasks.data?.task_instances ?? []} />
          <Tabs label={t("run.views")} current={view} views={VIEWS.map((id) => ({ id, name: t(`run.${id}`) }))} />
          {view === "tasks" ? (
            <Loaded query={tasks}>
              {(list) => (list.task_instances.length === 0 ? <Empty title={t("run.noTasks")} /> : <TaskTable info={info} tasks={list.task_instances} />)}
            </Loaded>
          ) : null}
          {view === "graph" ? (
            <div className={css.graph}>
              <GraphView dag={dag} run={run} version={info.dag_versions.at(-1)?.version_number} />
            </div>
          ) : null}
          {view === "details" ? <Details info={info} /> : null}
        </>
      )}
    </Loaded>
  );
}

function Head({ info, tasks }: { info: DagRun; tasks: TaskInstance[] }) {
  const { t } = useTranslation();
  const readOnly = useReadOnlyReason();
  const [, setParams] = useQueryState();
  const [clearing, setClearing] = useState(false);
  const { dag_id: dag, dag_run_id: run } = info;
  return (
    <PageHead
      trail={[{ href: "/dags", text: t("dags.title") }, { href: dagLink(dag), text: dag }]}
      title={run}
      badge={<StateBadge state={info.state} />}
      actions={
        <>
          <Button off={readOnly} onClick={() => setClearing(true)}>
            <Eraser />
            {t("run.clear")}
          </Button>
          <MarkButtons dag={dag} run={run} state={info.state} />
          <Button off={readOnly} tip={t("run.againHint")} onClick={() => setParams({ trigger: dag, copy: run }, true)}>
            <RotateCcw />
            {t("run.again")}
          </Button>
        </>
      }
    >
      <Facts
        facts={{
          [t("run.type")]: t(`runType.${info.run_type}`, { defaultValue: info.run_type }),
          [t("run.logicalDate")]: info.logical_date ? <Time at={info.logical_date} /> : t("run.noLogical"),
          [t("run.start")]: info.start_date ? <Time at={info.start_date} /> : null,
          [t("run.end")]: info.end_date ? <Time at={info.end_date} /> : null,
          [t("run.duration")]: info.start_date ? <Duration start={info.start_date} end={info.end_date} running={isActive(info.state)} /> : null,
          [t("run.version")]: info.dag_versions.at(-1)?.version_number,
          [t("run.trigger")]: triggerWords(info),
          [t("run.note")]: info.note,
        }}
      />
      {clearing ? (
        <ClearDialog dag={dag} run={run} hasFailed={tasks.some((ti) => ti.state === "failed")} onClose={() => setClearing(false)} />
      ) : null}
    </PageHead>
  );
}

function triggerWords(info: DagRun): string {
  return [info.triggered_by, info.triggering_user_name].filter(Boolean).join(" · ");
}

/** People open a run mostly because something failed: say what, and lead to its log. */
function FirstFailure({ info, tasks }: { info: DagRun; tasks: TaskInstance[] }) {
  const { t } = useTranslation();
  const failed = tasks.filter((ti) => ti.state === "failed").toSorted((a, b) => (a.end_date ?? "").localeCompare(b.end_date ?? ""));
  const [first] = failed;
  if (!first) return null;
  return (
    <p className={css.failure}>
      <StateGlyph state="failed" />
      <strong>{t("run.failedFirst", { task: first.task_id })}</strong>
      <Link href={taskLink(info.dag_id, info.dag_run_id, first.task_id, first.map_index)}>{t("run.openLog")}</Link>
    </p>
  );
}

function Details({ info }: { info: DagRun }) {
  const { t } = useTranslation();
  return (
    <>
      <Facts
        facts={{
          [t("run.interval")]:
            info.data_interval_start ? (
              <>
                <Time at={info.data_interval_start} /> – <Time at={info.data_interval_end} />
              </>
            ) : (
              t("run.noLogical")
            ),
          [t("run.runAfter")]: <Time at={info.run_after} />,
          [t("run.queued")]: info.queued_at ? <Time at={info.queued_at} /> : null,
        }}
      />
      <h2 className={css.confTitle}>{t("run.conf")}</h2>
      <pre className={css.conf}>{prettyJson(info.conf ?? {})}</pre>
    </>
  );
}
