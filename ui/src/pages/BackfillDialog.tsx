/** A new backfill: the server says what would run, and how long it would take, before anything is promised. */

import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { createBackfill, planBackfill } from "../api/actions";
import type { BackfillBody } from "../api/actions";
import { keys } from "../api/queries";
import type { BackfillPlan } from "../api/types";
import { Button, Select, TextArea, TextInput } from "../components/controls";
import { Dialog, DialogBody, DialogFooter } from "../components/Dialog";
import { Field } from "../components/Field";
import { Loading, useErrorText } from "../components/feedback";
import { StateBadge } from "../components/State";
import { Time } from "../components/Time";
import { useReadOnlyReason } from "../lib/access";
import { useRested } from "../lib/hooks";
import { usePrefs } from "../lib/prefs";
import { formatDuration, instantFromInput, localZone } from "../lib/time";
import { showToast } from "../lib/toasts";
import css from "./Backfills.module.css";

const BEHAVIORS = ["none", "failed", "completed"] as const;

interface Choices {
  from: string;
  to: string;
  reprocess: string;
  atOnce: string;
  stopAfter: string;
  backwards: boolean;
  conf: string;
}

const START: Choices = { from: "", to: "", reprocess: "none", atOnce: "10", stopAfter: "0", backwards: false, conf: "" };

/** A conf as typed: nothing, a JSON object, or null when it is neither. */
function confOf(text: string): Record<string, unknown> | null {
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function bodyOf(dag: string, choices: Choices, zone: "local" | "utc"): BackfillBody | null {
  const [from, to] = [instantFromInput(choices.from, zone), instantFromInput(choices.to, zone)];
  const conf = confOf(choices.conf);
  if (from === null || to === null || conf === null) return null;
  return {
    dag_id: dag,
    from_date: from,
    to_date: to,
    reprocess_behavior: choices.reprocess,
    max_active_runs: Number(choices.atOnce),
    run_backwards: choices.backwards,
    stop_after_failures: Number(choices.stopAfter),
    dag_run_conf: conf,
  };
}

export function BackfillDialog({ dag, onClose }: { dag: string; onClose: () => void }) {
  const { t } = useTranslation();
  const { zone } = usePrefs();
  const client = useQueryClient();
  const readOnly = useReadOnlyReason();
  const errorText = useErrorText();
  const [choices, setChoices] = useState(START);
  const change = (some: Partial<Choices>) => setChoices((now) => ({ ...now, ...some }));
  const body = bodyOf(dag, useRested(choices, 300), zone);
  const plan = useQuery({
    queryKey: [...keys.backfills(dag), "plan", body],
    queryFn: ({ signal }) => planBackfill(body!, signal),
    enabled: body !== null,
    placeholderData: keepPreviousData,
    retry: false,
  });
  const create = useMutation({
    mutationFn: (order: BackfillBody) => createBackfill(order),
    onSuccess: ({ id }) => {
      void client.invalidateQueries({ queryKey: keys.dag(dag) });
      showToast({ kind: "done", text: t("backfill.started", { id }) });
      onClose();
    },
  });
  const error = create.error ?? (body === null ? null : plan.error);
  const runs = plan.data ? plan.data.counts.create + plan.data.counts.rerun : 0;
  const isCurrent = JSON.stringify(body) === JSON.stringify(bodyOf(dag, choices, zone));
  const off =
    readOnly ??
    (body === null
      ? t("backfill.needRange")
      : create.isPending
        ? t("backfill.submitting")
        : plan.isFetching || !isCurrent
          ? t("backfill.planning")
          : plan.error || runs === 0
            ? t("backfill.nothing")
            : null);
  return (
    <Dialog title={t("backfill.title", { dag })} onClose={onClose} wide>
      <DialogBody>
        <Form choices={choices} change={change} />
        {error ? (
          <p role="alert" className={css.error}>
            {errorText(error)}
          </p>
        ) : null}
        {body !== null && plan.isPending && !error ? <Loading /> : null}
        {body !== null && plan.data && !plan.error ? <Plan plan={plan.data} /> : null}
      </DialogBody>
      <DialogFooter>
        <Button onClick={onClose}>{t("common.cancel")}</Button>
        <Button kind="primary" off={off} onClick={() => (body ? create.mutate(body) : undefined)}>
          {t("backfill.submit")}
        </Button>
      </DialogFooter>
    </Dialog>
  );
}

function Form({ choices, change }: { choices: Choices; change: (some: Partial<Choices>) => void }) {
  const { t } = useTranslation();
  const { zone } = usePrefs();
  const hint = t("backfill.rangeHint", { zone: zone === "utc" ? "UTC" : localZone() });
  return (
    <>
      <div className={css.pair}>
        <Field label={t("backfill.from")} hint={hint} required>
          {(props) => <TextInput {...props} type="datetime-local" value={choices.from} onChange={(event) => change({ from: event.target.value })} />}
        </Field>
        <Field label={t("backfill.to")} required>
          {(props) => <TextInput {...props} type="datetime-local" value={choices.to} onChange={(event) => change({ to: event.target.value })} />}
        </Field>
      </div>
      <Field label={t("backfill.reprocess")}>
        {(props) => (
          <Select {...props} value={choices.reprocess} onChange={(event) => change({ reprocess: event.target.value })}>
            {BEHAVIORS.map((each) => (
              <option key={each} value={each}>
                {t(`backfill.reprocess_${each}`)}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <details className={css.options}>
        <summary>{t("backfill.more")}</summary>
        <div className={css.pair}>
          <Field label={t("backfill.atOnce")}>
            {(props) => (
              <TextInput {...props} type="number" min={1} max={1000} value={choices.atOnce} onChange={(event) => change({ atOnce: event.target.value })} />
            )}
          </Field>
          <Field label={t("backfill.stopAfter")} hint={t("backfill.stopHint")}>
            {(props) => (
              <TextInput {...props} type="number" min={0} value={choices.stopAfter} onChange={(event) => change({ stopAfter: event.target.value })} />
            )}
          </Field>
        </div>
        <label>
          <input type="checkbox" checked={choices.backwards} onChange={(event) => change({ backwards: event.target.checked })} /> {t("backfill.backwards")}
        </label>
        <Field label={t("backfill.conf")} error={confOf(choices.conf) === null ? t("backfill.confWrong") : null}>
          {(props) => <TextArea {...props} mono rows={4} spellCheck={false} value={choices.conf} onChange={(event) => change({ conf: event.target.value })} />}
        </Field>
      </details>
    </>
  );
}

function Plan({ plan }: { plan: BackfillPlan }) {
  const { t, i18n } = useTranslation();
  const { counts } = plan;
  const time = plan.expected_secs === null ? t("backfill.unknownTime") : t("backfill.expected", { time: formatDuration(plan.expected_secs, i18n.language) });
  return (
    <section aria-label={t("backfill.dates")}>
      <p className={css.counts} aria-live="polite">
        <strong>{t("backfill.plan", { count: counts.total })}</strong>
        <span>{t("backfill.planParts", { create: counts.create, rerun: counts.rerun, skip: counts.skip })}</span>
        <span>{time}</span>
      </p>
      {plan.is_paused ? <p className={css.reason}>{t("backfill.pausedHint")}</p> : null}
      <div className={css.scroll} tabIndex={0} role="region" aria-label={t("backfill.dates")}>
        <table>
          <tbody>
            {plan.dates.map((date) => (
              <tr key={date.logical_date} data-action={date.action}>
                <td>
                  <Time at={date.logical_date} seconds={false} />
                </td>
                <td>{date.state ? <StateBadge state={date.state} quiet /> : null}</td>
                <td>
                  {t(`backfill.action_${date.action}`)}
                  {date.reason ? ` (${date.reason})` : ""}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {plan.dates.length < counts.total ? <p className={css.quiet}>{t("backfill.shownOf", { shown: plan.dates.length, total: counts.total })}</p> : null}
    </section>
  );
}
