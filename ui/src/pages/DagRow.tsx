/** One DAG of the list: what it is, when it runs, how it went, and the two things one does from here. */

import { Play, TriangleAlert } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import type { DagRow as Row } from "../api/types";
import { Button, Clip, Switch, Tip } from "../components/controls";
import { RunStrip } from "../components/RunStrip";
import { Time } from "../components/Time";
import { useReadOnlyReason } from "../lib/access";
import { useQueryState } from "../lib/hooks";
import { dagLink } from "../lib/links";
import { usePause } from "../lib/pause";
import controls from "../components/controls.module.css";
import css from "./DagList.module.css";

const MAX_TAGS = 2;

export function DagRow({ row }: { row: Row }) {
  const { t } = useTranslation();
  const [, setParams] = useQueryState();
  const pause = usePause();
  const readOnly = useReadOnlyReason();
  return (
    <div className={css.row} data-paused={row.is_paused} role="presentation">
      <span role="cell" className={css.on}>
        <Switch
          checked={!row.is_paused}
          off={readOnly}
          label={t(row.is_paused ? "dags.switchOn" : "dags.switchOff", { dag: row.dag_id })}
          onChange={(on) => pause(row.dag_id, !on)}
        />
      </span>
      <Name row={row} />
      <Schedule row={row} />
      <span role="cell" className={css.runs}>
        <RunStrip dag={row.dag_id} runs={row.last_runs} />
        {row.active_runs > 0 ? <span className={css.active}>{t("dags.running", { count: row.active_runs })}</span> : null}
      </span>
      <span role="cell" className={css.owner}>
        <Clip text={row.owner ?? ""} />
      </span>
      <Tags tags={row.tags} />
      <span role="cell" className={css.trigger}>
        <Button kind="ghost" label={t("dags.triggerDag", { dag: row.dag_id })} off={readOnly} onClick={() => setParams({ trigger: row.dag_id }, true)}>
          <Play />
        </Button>
      </span>
    </div>
  );
}

function Name({ row }: { row: Row }) {
  const { t } = useTranslation();
  return (
    <span role="cell" className={css.name}>
      <span className={css.nameLine}>
        <Tip text={row.display_name === row.dag_id ? row.dag_id : `${row.display_name}\n${row.dag_id}`}>
          <Link href={dagLink(row.dag_id)} className={`${css.link} ${controls.truncate}`}>
            {row.display_name}
          </Link>
        </Tip>
        {row.has_import_errors ? (
          <Tip text={t("dags.importBroken")}>
            <TriangleAlert className={css.broken} aria-label={t("dags.importBroken")} tabIndex={0} role="img" />
          </Tip>
        ) : null}
      </span>
      {row.description ? <Clip className={css.description} text={row.description} /> : null}
    </span>
  );
}

function Schedule({ row }: { row: Row }) {
  const { t } = useTranslation();
  const words = row.schedule_words ?? row.schedule;
  const hasSchedule = words !== null && words !== "";
  return (
    <>
      <span role="cell" className={css.schedule}>
        <Tip text={hasSchedule ? `${words}\n${row.schedule ?? ""} (${row.timezone})` : ""}>
          <span className={controls.truncate} tabIndex={hasSchedule ? 0 : undefined}>
            {hasSchedule ? words : t("dags.noSchedule")}
          </span>
        </Tip>
      </span>
      <span role="cell" className={css.next}>
        {row.is_paused && hasSchedule ? t("dags.pausedNext") : row.next_run_after ? <Time at={row.next_run_after} relative /> : t("dags.noNext")}
      </span>
    </>
  );
}

function Tags({ tags }: { tags: string[] }) {
  const [, setParams] = useQueryState();
  const rest = tags.slice(MAX_TAGS);
  return (
    <span role="cell" className={css.tags}>
      {tags.slice(0, MAX_TAGS).map((tag) => (
        <Tip key={tag} text={tag}>
          <button type="button" className={controls.chip} onClick={() => setParams({ tag })}>
            {tag}
          </button>
        </Tip>
      ))}
      {rest.length > 0 ? (
        <Tip text={rest.join(", ")}>
          <span className={controls.chip} tabIndex={0}>
            +{rest.length}
          </span>
        </Tip>
      ) : null}
    </span>
  );
}
