/** The backfills of a DAG: how far each is, what holds it, and what can be done with it. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { CalendarPlus } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { changeBackfill } from "../api/actions";
import { backfillDatesQuery, backfillsQuery, keys } from "../api/queries";
import type { BackfillDate, BackfillProgress } from "../api/types";
import { Button } from "../components/controls";
import { Confirm } from "../components/Dialog";
import { Empty, Loaded, useErrorText } from "../components/feedback";
import { StateGlyph } from "../components/State";
import { Time } from "../components/Time";
import { useReadOnlyReason } from "../lib/access";
import { useQueryState } from "../lib/hooks";
import { runLink } from "../lib/links";
import { formatDuration } from "../lib/time";
import { BackfillDialog } from "./BackfillDialog";
import css from "./Backfills.module.css";

/** An open backfill is asked for again so often, besides what events say. */
const REFRESH_MILLIS = 2_000;
const DATES_A_PAGE = 100;

export default function BackfillsTab({ dag }: { dag: string }) {
  const { t } = useTranslation();
  const [params, setParams] = useQueryState();
  const readOnly = useReadOnlyReason();
  const query = useQuery({
    ...backfillsQuery(dag),
    refetchInterval: ({ state }) => (state.data?.backfills.some((each) => each.is_open) ? REFRESH_MILLIS : false),
  });
  return (
    <>
      <div className={css.tools}>
        <Button kind="primary" off={readOnly} onClick={() => setParams({ new: "backfill" }, true)}>
          <CalendarPlus />
          {t("backfill.open")}
        </Button>
      </div>
      <Loaded query={query}>
        {({ backfills }) =>
          backfills.length === 0 ? (
            <Empty title={t("backfill.empty")} hint={t("backfill.emptyHint")} />
          ) : (
            <ul className={css.list}>
              {backfills.map((each, index) => (
                <Card key={each.id} backfill={each} open={index === 0} />
              ))}
            </ul>
          )
        }
      </Loaded>
      {params.get("new") === "backfill" ? <BackfillDialog dag={dag} onClose={() => setParams({ new: null })} /> : null}
    </>
  );
}

function Card({ backfill, open }: { backfill: BackfillProgress; open: boolean }) {
  const { t, i18n } = useTranslation();
  const { id } = backfill;
  const done = backfill.runs_succeeded + backfill.runs_failed + backfill.dates_skipped;
  return (
    <li className={css.card} data-backfill={id} data-state={backfill.state}>
      <div className={css.head}>
        <h2>{t("backfill.number", { id })}</h2>
        <span className={css.state} data-state={backfill.state}>
          {t(`backfill.state_${backfill.state}`)}
        </span>
        <span className={css.quiet}>
          <Time at={backfill.from_date} seconds={false} /> – <Time at={backfill.to_date} seconds={false} />
          {backfill.run_backwards ? ` · ${t("backfill.order")}` : ""}
          {backfill.triggering_user ? ` · ${t("backfill.by", { user: backfill.triggering_user })}` : ""}
        </span>
        <Actions backfill={backfill} />
      </div>
      <Bar backfill={backfill} label={t("backfill.progress", { done, total: backfill.dates_total })} />
      <p className={css.counts} aria-live="polite">
        <strong>{t("backfill.progress", { done, total: backfill.dates_total })}</strong>
        <Count name="succeeded" count={backfill.runs_succeeded} />
        <Count name="failed" count={backfill.runs_failed} />
        <Count name="active" count={backfill.runs_active} />
        <Count name={backfill.completed_at === null ? "waiting" : "dropped"} count={backfill.dates_waiting} />
        <Count name="skipped" count={backfill.dates_skipped} />
        {backfill.is_open && backfill.expected_secs ? (
          <span>{t("backfill.left", { time: formatDuration(backfill.expected_secs, i18n.language) })}</span>
        ) : null}
      </p>
      {backfill.reason ? <p className={css.reason}>{backfill.reason}</p> : null}
      {backfill.is_open && backfill.hold ? <p className={css.quiet}>{backfill.hold.text}</p> : null}
      <Dates backfill={backfill} open={open} />
    </li>
  );
}

function Count({ name, count }: { name: "succeeded" | "failed" | "active" | "waiting" | "dropped" | "skipped"; count: number }) {
  const { t } = useTranslation();
  return count > 0 ? <span>{t(`backfill.${name}`, { count })}</span> : null;
}

/** Shares of the dates: succeeded, failed, left alone, running; the rest waits. */
function Bar({ backfill, label }: { backfill: BackfillProgress; label: string }) {
  const parts = [
    ["success", backfill.runs_succeeded],
    ["failed", backfill.runs_failed],
    ["skipped", backfill.dates_skipped],
    ["running", backfill.runs_active],
  ] as const;
  return (
    <div className={css.bar} role="img" aria-label={label}>
      {parts.map(([state, count]) => (
        <span key={state} style={{ width: `${(count / backfill.dates_total) * 100}%`, background: `var(--state-${state})` }} />
      ))}
    </div>
  );
}

function Actions({ backfill }: { backfill: BackfillProgress }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const readOnly = useReadOnlyReason();
  const errorText = useErrorText();
  const [asking, setAsking] = useState(false);
  const change = useMutation({
    mutationFn: ({ action, stop }: { action: "pause" | "unpause" | "cancel"; stop?: boolean }) => changeBackfill(backfill.id, action, stop),
    onSettled: () => {
      setAsking(false);
      void client.invalidateQueries({ queryKey: keys.dag(backfill.dag_id) });
    },
  });
  if (!backfill.is_open) return null;
  const goesOn = backfill.completed_at === null;
  return (
    <span className={css.actions}>
      {change.error ? <span role="alert">{errorText(change.error)}</span> : null}
      {goesOn ? (
        <Button off={readOnly} onClick={() => change.mutate({ action: backfill.is_paused ? "unpause" : "pause" })}>
          {t(backfill.is_paused ? "backfill.resume" : "backfill.pause")}
        </Button>
      ) : null}
      <Button kind="danger" off={readOnly} onClick={() => setAsking(true)}>
        {t(goesOn ? "backfill.cancel" : "backfill.stop")}
      </Button>
      {asking ? (
        <Confirm
          title={t(goesOn ? "backfill.cancelTitle" : "backfill.stopTitle", { id: backfill.id })}
          submit={t(goesOn ? "backfill.cancel" : "backfill.stop")}
          danger
          busy={change.isPending}
          hint={t(goesOn ? "backfill.cancelHint" : "backfill.stopHintRuns")}
          onClose={() => setAsking(false)}
          onConfirm={() => change.mutate({ action: "cancel", stop: !goesOn })}
        />
      ) : null}
    </span>
  );
}

function Dates({ backfill, open }: { backfill: BackfillProgress; open: boolean }) {
  const { t } = useTranslation();
  const [shown, setShown] = useState(open);
  const [offset, setOffset] = useState(0);
  const query = useQuery({
    ...backfillDatesQuery(backfill.dag_id, backfill.id, offset),
    enabled: shown,
    refetchInterval: backfill.is_open ? REFRESH_MILLIS : false,
  });
  return (
    <details className={css.dates} open={shown} onToggle={(event) => setShown(event.currentTarget.open)}>
      <summary>{t("backfill.dates")}</summary>
      {shown ? (
        <Loaded query={query}>
          {({ dates, total_entries: total }) => (
            <>
              <div className={css.scroll} tabIndex={0} role="region" aria-label={t("backfill.dates")}>
                <table>
                  <thead>
                    <tr>
                      <th>{t("backfill.date")}</th>
                      <th>{t("backfill.result")}</th>
                      <th>{t("backfill.run")}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {dates.map((date) => (
                      <DateRow key={date.sort_ordinal} dag={backfill.dag_id} date={date} />
                    ))}
                  </tbody>
                </table>
              </div>
              {total > DATES_A_PAGE ? (
                <p className={css.pages}>
                  <Button off={offset === 0 ? " " : null} onClick={() => setOffset(offset - DATES_A_PAGE)}>
                    {t("backfill.earlier")}
                  </Button>
                  <Button off={offset + DATES_A_PAGE >= total ? " " : null} onClick={() => setOffset(offset + DATES_A_PAGE)}>
                    {t("backfill.later")}
                  </Button>
                </p>
              ) : null}
            </>
          )}
        </Loaded>
      ) : null}
    </details>
  );
}

const GLYPH = { waiting: "queued", active: "running", success: "success", failed: "failed", skipped: "skipped" } as const;

function DateRow({ dag, date }: { dag: string; date: BackfillDate }) {
  const { t } = useTranslation();
  return (
    <tr data-state={date.state}>
      <td>
        <Time at={date.logical_date} seconds={false} />
      </td>
      <td>
        <StateGlyph state={GLYPH[date.state]} size={14} /> {t(`backfill.date_${date.state}`)}
        {date.exception_reason ? ` (${date.exception_reason})` : ""}
      </td>
      <td>{date.dag_run_id ? <Link href={runLink(dag, date.dag_run_id)}>{date.dag_run_id}</Link> : null}</td>
    </tr>
  );
}
