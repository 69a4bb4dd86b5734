/** The grid tab: the grid, how many runs it shows, the legend, and the panel of what is selected (all in the address). */

import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useLocation } from "wouter";
import { gridQuery } from "../api/queries";
import type { GridResponse } from "../api/types";
import { Select } from "../components/controls";
import { Empty, Loaded } from "../components/feedback";
import { StateGlyph } from "../components/State";
import { useQueryState } from "../lib/hooks";
import { runLink, taskLink } from "../lib/links";
import { stateKey } from "../lib/state";
import type { Spot } from "./geometry";
import { Grid } from "./Grid";
import { SidePanel } from "./SidePanel";
import css from "./GridView.module.css";

const RUN_COUNTS = [30, 90, 180, 365];

export function GridView({ dag }: { dag: string }) {
  const { t } = useTranslation();
  const [params, setParams] = useQueryState();
  const count = RUN_COUNTS.find((each) => String(each) === params.get("runs")) ?? 30;
  const query = useQuery(gridQuery(dag, count));
  return (
    <>
      <div className={css.tools}>
        <label>
          {t("dag.runsShown")}{" "}
          <Select aria-label={t("dag.runsShown")} value={count} onChange={(event) => setParams({ runs: event.target.value === "30" ? null : event.target.value })}>
            {RUN_COUNTS.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </Select>
        </label>
        {query.data ? <Legend grid={query.data} /> : null}
        <span className={css.keys}>{t("grid.keys")}</span>
      </div>
      <Loaded query={query}>
        {(grid) => (grid.runs.length === 0 ? <Empty title={t("dag.noRuns")} hint={t("dag.noRunsHint")} /> : <WithPanel dag={dag} grid={grid} />)}
      </Loaded>
    </>
  );
}

/** The address keeps names, not positions: a link still points to its run when new ones have come. */
function spotFrom(grid: GridResponse, run: string | null, task: string | null): Spot | null {
  const at = grid.runs.findIndex((each) => each.run_id === run);
  if (at < 0) return null;
  return { run: at, task: task === null ? -1 : grid.tasks.findIndex((each) => each.task_id === task) };
}

function WithPanel({ dag, grid }: { dag: string; grid: GridResponse }) {
  const [params, setParams] = useQueryState();
  const [, navigate] = useLocation();
  const selected = spotFrom(grid, params.get("run"), params.get("task"));
  const ids = (spot: Spot): [string, string | null] => [grid.runs[spot.run]?.run_id ?? "", grid.tasks[spot.task]?.task_id ?? null];
  const select = (spot: Spot) => {
    const [run, task] = ids(spot);
    setParams({ run, task });
  };
  const open = (spot: Spot) => {
    const [run, task] = ids(spot);
    navigate(task === null ? runLink(dag, run) : taskLink(dag, run, task));
  };
  const [run, task] = selected ? ids(selected) : ["", null];
  return (
    <div className={css.split} data-open={selected !== null}>
      <Grid grid={grid} selected={selected} onSelect={select} onOpen={open} />
      {selected ? <SidePanel key={run} dag={dag} run={run} task={task} onClose={() => setParams({ run: null, task: null })} /> : null}
    </div>
  );
}

/** Only the states that occur, so the legend stays short. */
function Legend({ grid }: { grid: GridResponse }) {
  const { t } = useTranslation();
  const bytes = atob(grid.cells);
  const seen = new Set<string>();
  for (let i = 0; i < bytes.length; i += 1) {
    const name = grid.states[bytes.charCodeAt(i)];
    if (name !== undefined) seen.add(name);
  }
  return (
    <ul className={css.legend} aria-label={t("grid.legend")}>
      {grid.states
        .filter((state) => seen.has(state))
        .map((state) => (
          <li key={state}>
            <StateGlyph state={state} size={14} />
            {t(`state.${stateKey(state)}`)}
          </li>
        ))}
    </ul>
  );
}
