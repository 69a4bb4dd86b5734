/** One task instance: the log of each try, what was rendered, what it gave on, and why it has not run. */

import { useQuery } from "@tanstack/react-query";
import { Eraser } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { taskQuery, triesQuery } from "../api/queries";
import type { TaskInstance } from "../api/types";
import { Button, Select } from "../components/controls";
import { Loaded } from "../components/feedback";
import { Facts, PageHead } from "../components/PageHead";
import { StateBadge } from "../components/State";
import { Tabs } from "../components/Tabs";
import { Duration, Time } from "../components/Time";
import { useReadOnlyReason } from "../lib/access";
import { useQueryState, useTitle } from "../lib/hooks";
import { dagLink, runLink } from "../lib/links";
import { isActive, stateKey } from "../lib/state";
import { LogView } from "../log/LogView";
import { AnswerBox } from "./AnswerBox";
import { ClearDialog } from "./ClearDialog";
import { MarkButtons } from "./MarkButtons";
import { Rendered, TaskDetails, Why, XCom } from "./TaskTabs";
import css from "./TaskPage.module.css";

const VIEWS = ["log", "rendered", "xcom", "why", "details"] as const;

export interface TaskRef {
  dag: string;
  run: string;
  task: string;
  mapIndex: number;
}

export default function TaskPage({ dag, run, task }: { dag: string; run: string; task: string }) {
  useTitle(`${task} · ${dag}`);
  const [params] = useQueryState();
  const mapIndex = Number(params.get("map") ?? -1);
  const query = useQuery(taskQuery(dag, run, task, mapIndex));
  return <Loaded query={query}>{(ti) => <TaskView at={{ dag, run, task, mapIndex }} ti={ti} />}</Loaded>;
}

function TaskView({ at, ti }: { at: TaskRef; ti: TaskInstance }) {
  const { t } = useTranslation();
  const [params] = useQueryState();
  const view = VIEWS.find((each) => each === params.get("view")) ?? "log";
  const asked = Number(params.get("try") ?? 0);
  const tryNumber = asked > 0 && asked <= ti.try_number ? asked : ti.try_number;
  return (
    <>
      <Head at={at} ti={ti} />
      {ti.state === "awaiting_input" ? <AnswerBox at={at} /> : null}
      <Tabs label={t("task.views")} current={view} views={VIEWS.map((id) => ({ id, name: t(`task.${id}`) }))} />
      {view === "log" || view === "rendered" ? <TryPicker at={at} ti={ti} tryNumber={tryNumber} /> : null}
      {view === "log" ? <Log at={at} ti={ti} tryNumber={tryNumber} /> : null}
      {view === "rendered" ? <Rendered at={at} tryNumber={tryNumber} /> : null}
      {view === "xcom" ? <XCom at={at} /> : null}
      {view === "why" ? <Why at={at} /> : null}
      {view === "details" ? <TaskDetails ti={ti} /> : null}
    </>
  );
}

function Head({ at, ti }: { at: TaskRef; ti: TaskInstance }) {
  const { t } = useTranslation();
  const readOnly = useReadOnlyReason();
  const [clearing, setClearing] = useState(false);
  const target = { id: at.task, mapIndex: at.mapIndex };
  return (
    <PageHead
      trail={[
        { href: "/dags", text: t("dags.title") },
        { href: dagLink(at.dag), text: at.dag },
        { href: runLink(at.dag, at.run), text: at.run },
      ]}
      title={at.mapIndex >= 0 ? `${at.task} [${ti.rendered_map_index ?? at.mapIndex}]` : at.task}
      badge={<StateBadge state={ti.state} />}
      actions={
        <>
          <Button off={readOnly} onClick={() => setClearing(true)}>
            <Eraser />
            {t("run.clear")}
          </Button>
          <MarkButtons dag={at.dag} run={at.run} task={target} state={ti.state} />
        </>
      }
    >
      <Facts
        facts={{
          [t("run.operator")]: ti.operator,
          [t("run.start")]: ti.start_date ? <Time at={ti.start_date} /> : null,
          [t("run.end")]: ti.end_date ? <Time at={ti.end_date} /> : null,
          [t("run.duration")]: ti.start_date ? <Duration start={ti.start_date} end={ti.end_date} running={isActive(ti.state)} /> : null,
          [t("run.tries")]: ti.try_number > 0 ? `${ti.try_number} / ${ti.max_tries + 1}` : null,
          [t("run.worker")]: ti.hostname,
        }}
      />
      {clearing ? <ClearDialog dag={at.dag} run={at.run} task={target} hasFailed={false} onClose={() => setClearing(false)} /> : null}
    </PageHead>
  );
}

function TryPicker({ at, ti, tryNumber }: { at: TaskRef; ti: TaskInstance; tryNumber: number }) {
  const { t } = useTranslation();
  const [, setParams] = useQueryState();
  const { data } = useQuery(triesQuery(at.dag, at.run, at.task, at.mapIndex));
  if (ti.try_number < 2) return null;
  const states = new Map(data?.task_instances.map((each) => [each.try_number, each.state]));
  states.set(ti.try_number, ti.state);
  const numbers = Array.from({ length: ti.try_number }, (_, i) => i + 1);
  return (
    <label className={css.tries}>
      {t("task.try")}{" "}
      <Select aria-label={t("task.try")} value={tryNumber} onChange={(event) => setParams({ try: Number(event.target.value) === ti.try_number ? null : event.target.value })}>
        {numbers.map((n) => (
          <option key={n} value={n}>
            {t("task.tryN", { n })}
            {states.has(n) ? ` · ${t(`state.${stateKey(states.get(n))}`)}` : ""}
          </option>
        ))}
      </Select>
    </label>
  );
}

/** A task that never started has no log, and the page says why instead of showing an empty box. */
function Log({ at, ti, tryNumber }: { at: TaskRef; ti: TaskInstance; tryNumber: number }) {
  const { t } = useTranslation();
  const [, setParams] = useQueryState();
  if (tryNumber > 0 && (ti.start_date !== null || tryNumber < ti.try_number)) {
    // A new key for the attempt that begins after a clear or a retry, so that the log starts anew.
    return <LogView key={`${tryNumber} ${tryNumber === ti.try_number ? ti.start_date : ""}`} source={{ ...at, tryNumber }} emptyText={t("task.noLog")} />;
  }
  const text = ti.state === "skipped" ? t("task.skippedNoLog") : ti.state === "upstream_failed" ? t("task.upstreamNoLog") : t("task.notStarted");
  return (
    <div className={css.noLog}>
      <p>{text}</p>
      <Button onClick={() => setParams({ view: "why" }, true)}>{t("task.seeWhy")}</Button>
    </div>
  );
}
