/** The task instances of a run: state, tries and time of each, with a bar that shows when it waited and when it ran. */

import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import type { DagRun, TaskInstance } from "../api/types";
import { Select, Tip } from "../components/controls";
import { StateBadge } from "../components/State";
import { Duration, Time } from "../components/Time";
import { useNow, useQueryState } from "../lib/hooks";
import { taskLink } from "../lib/links";
import { isActive, stateColour, stateKey } from "../lib/state";
import { formatDuration } from "../lib/time";
import css from "./TaskTable.module.css";

interface TaskTableProps {
  info: DagRun;
  tasks: TaskInstance[];
}

export function TaskTable({ info, tasks }: TaskTableProps) {
  const { t } = useTranslation();
  const [params, setParams] = useQueryState();
  const now = useNow(1000, isActive(info.state));
  const asked = params.get("state") ?? "";
  const states = [...new Set(tasks.map((ti) => stateKey(ti.state)))];
  const shown = tasks.filter((ti) => asked === "" || stateKey(ti.state) === asked);
  const span = timeSpan(info, tasks, now);
  return (
    <>
      <div className={css.tools}>
        <Select aria-label={t("run.filter")} value={asked} onChange={(event) => setParams({ state: event.target.value })}>
          <option value="">
            {t("run.allStates")} ({tasks.length})
          </option>
          {states.map((state) => (
            <option key={state} value={state}>
              {t(`state.${state}`)} ({tasks.filter((ti) => stateKey(ti.state) === state).length})
            </option>
          ))}
        </Select>
      </div>
      <div className={css.scroll} tabIndex={0} role="region" aria-label={t("run.tasks")}>
        <table className={css.table}>
          <thead>
            <tr>
              <th>{t("run.task")}</th>
              <th>{t("run.state")}</th>
              <th className={css.wide}>{t("run.operator")}</th>
              <th>{t("run.tries")}</th>
              <th className={css.wide}>{t("run.start")}</th>
              <th>{t("run.duration")}</th>
              <th className={css.bars} aria-hidden="true" />
            </tr>
          </thead>
          <tbody>
            {shown.map((ti) => (
              <TaskRow key={`${ti.task_id} ${ti.map_index}`} ti={ti} span={span} now={now} />
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

interface Span {
  from: number;
  millis: number;
}

function timeSpan(info: DagRun, tasks: TaskInstance[], now: number): Span {
  const times = tasks.flatMap((ti) => [ti.queued_when, ti.start_date, ti.end_date]).filter((text) => text !== null);
  const millis = times.map((text) => new Date(text).getTime());
  const from = Math.min(info.start_date ? new Date(info.start_date).getTime() : Infinity, ...millis, now);
  const to = Math.max(...millis, isActive(info.state) ? now : from);
  return { from, millis: Math.max(1, to - from) };
}

function TaskRow({ ti, span, now }: { ti: TaskInstance; span: Span; now: number }) {
  const label = ti.map_index >= 0 ? `${ti.task_display_name} [${ti.rendered_map_index ?? ti.map_index}]` : ti.task_display_name;
  return (
    <tr data-task={ti.task_id} data-state={stateKey(ti.state)}>
      <td className={css.name}>
        <Link href={taskLink(ti.dag_id, ti.dag_run_id, ti.task_id, ti.map_index)}>{label}</Link>
      </td>
      <td>
        <StateBadge state={ti.state} quiet />
      </td>
      <td className={css.wide}>{ti.operator}</td>
      <td className={css.number}>{ti.try_number > 0 ? `${ti.try_number} / ${ti.max_tries + 1}` : "–"}</td>
      <td className={css.wide}>
        <Time at={ti.start_date} />
      </td>
      <td className={css.number}>
        <Duration start={ti.start_date} end={ti.end_date} running={isActive(ti.state)} />
      </td>
      <td className={css.bars}>
        <Bars ti={ti} span={span} now={now} />
      </td>
    </tr>
  );
}

/** Waiting in grey, running in the state's colour; never thinner than can be seen. */
function Bars({ ti, span, now }: { ti: TaskInstance; span: Span; now: number }) {
  const { t, i18n } = useTranslation();
  if (!ti.start_date) return null;
  const millis = (text: string | null) => (text === null ? now : new Date(text).getTime());
  const share = (from: number, to: number) => `${Math.max(0.6, ((to - from) / span.millis) * 100)}%`;
  const start = millis(ti.start_date);
  const queued = ti.queued_when === null ? start : Math.min(start, millis(ti.queued_when));
  const tip = `${t("run.queued")} ${formatDuration((start - queued) / 1000, i18n.language)}`;
  return (
    <Tip text={tip}>
      <span className={css.track}>
        <span style={{ width: `${(Math.max(0, queued - span.from) / span.millis) * 100}%` }} />
        {start - queued > span.millis * 0.005 ? <span className={css.waited} style={{ width: share(queued, start) }} /> : null}
        <span className={css.ran} style={{ width: share(start, millis(ti.end_date)), background: stateColour(ti.state) }} />
      </span>
    </Tip>
  );
}
