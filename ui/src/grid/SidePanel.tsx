/** What is selected in the grid, without leaving it: the run, or one of its task instances. */

import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { runQuery, tasksQuery } from "../api/queries";
import { Button } from "../components/controls";
import { Loaded } from "../components/feedback";
import { Facts } from "../components/PageHead";
import { StateBadge } from "../components/State";
import { Duration, Time } from "../components/Time";
import { runLink, taskLink } from "../lib/links";
import { isActive } from "../lib/state";
import controls from "../components/controls.module.css";
import css from "./GridView.module.css";

interface SidePanelProps {
  dag: string;
  run: string;
  task: string | null;
  onClose: () => void;
}

export function SidePanel({ dag, run, task, onClose }: SidePanelProps) {
  const { t } = useTranslation();
  return (
    <aside className={css.panel} aria-label={task ?? run}>
      <div className={css.panelHead}>
        <h2>{task ?? run}</h2>
        <Button kind="ghost" label={t("grid.closePanel")} onClick={onClose}>
          <X />
        </Button>
      </div>
      {task === null ? null : <p className={css.panelSub}>{run}</p>}
      {task === null ? <RunFacts dag={dag} run={run} /> : <TaskFacts dag={dag} run={run} task={task} />}
    </aside>
  );
}

function RunFacts({ dag, run }: { dag: string; run: string }) {
  const { t } = useTranslation();
  const query = useQuery(runQuery(dag, run));
  return (
    <Loaded query={query}>
      {(info) => (
        <>
          <StateBadge state={info.state} />
          <Facts
            facts={{
              [t("run.type")]: t(`runType.${info.run_type}`, { defaultValue: info.run_type }),
              [t("run.logicalDate")]: info.logical_date ? <Time at={info.logical_date} /> : t("run.noLogical"),
              [t("run.start")]: info.start_date ? <Time at={info.start_date} /> : null,
              [t("run.duration")]: info.start_date ? <Duration start={info.start_date} end={info.end_date} running={isActive(info.state)} /> : null,
              [t("run.note")]: info.note,
            }}
          />
          <div className={css.panelActions}>
            <Link href={runLink(dag, run)} className={controls.button} data-kind="primary">
              {t("grid.openRun")}
            </Link>
          </div>
        </>
      )}
    </Loaded>
  );
}

function TaskFacts({ dag, run, task }: { dag: string; run: string; task: string }) {
  const { t } = useTranslation();
  const query = useQuery(tasksQuery(dag, run));
  return (
    <Loaded query={query}>
      {({ task_instances: all }) => {
        const tis = all.filter((ti) => ti.task_id === task);
        return (
          <>
            {tis.map((ti) => (
              <div key={ti.map_index}>
                <StateBadge state={ti.state} />
                <Facts
                  facts={{
                    [t("task.mapIndex")]: ti.map_index >= 0 ? (ti.rendered_map_index ?? String(ti.map_index)) : null,
                    [t("run.operator")]: ti.operator,
                    [t("run.tries")]: ti.try_number > 0 ? `${ti.try_number} / ${ti.max_tries + 1}` : null,
                    [t("run.start")]: ti.start_date ? <Time at={ti.start_date} /> : null,
                    [t("run.duration")]: ti.start_date ? <Duration start={ti.start_date} end={ti.end_date} running={isActive(ti.state)} /> : null,
                    [t("run.worker")]: ti.hostname,
                  }}
                />
                <div className={css.panelActions}>
                  <Link href={taskLink(dag, run, task, ti.map_index)} className={controls.button} data-kind="primary">
                    {t("grid.openTask")}
                  </Link>
                  <Link href={runLink(dag, run)} className={controls.button}>
                    {t("grid.openRun")}
                  </Link>
                </div>
              </div>
            ))}
          </>
        );
      }}
    </Loaded>
  );
}
