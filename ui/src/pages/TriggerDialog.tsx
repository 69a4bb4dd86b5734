/** The trigger form: params from their JSON Schema, the same as JSON, and the run's own options. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "wouter";
import { setPaused, triggerRun } from "../api/actions";
import { ApiError } from "../api/client";
import { dagQuery, keys, paramsQuery, runQuery } from "../api/queries";
import type { DagRun, ParamsResponse } from "../api/types";
import { Button, TextArea, TextInput } from "../components/controls";
import { Dialog, DialogBody, DialogFooter } from "../components/Dialog";
import { Field } from "../components/Field";
import { Failure, Loading, useErrorText } from "../components/feedback";
import { useReadOnlyReason } from "../lib/access";
import { useConfForm } from "../lib/confForm";
import type { ConfForm } from "../lib/confForm";
import { useQueryState } from "../lib/hooks";
import { runLink } from "../lib/links";
import { errorsByField } from "../lib/params";
import type { Problem } from "../lib/params";
import { usePrefs } from "../lib/prefs";
import { instantFromInput, localZone } from "../lib/time";
import { showToast } from "../lib/toasts";
import { ParamInput } from "./ParamInput";
import css from "./TriggerDialog.module.css";

export default function TriggerDialog({ dag, copyOf }: { dag: string; copyOf: string | null }) {
  const { t } = useTranslation();
  const [, setParams] = useQueryState();
  const params = useQuery(paramsQuery(dag));
  const copied = useQuery({ ...runQuery(dag, copyOf ?? ""), enabled: copyOf !== null, retry: false });
  const close = () => setParams({ trigger: null, copy: null });
  const error = params.error ?? copied.error;
  return (
    <Dialog title={t("trigger.title", { dag })} onClose={close} wide>
      {error ? (
        <DialogBody>
          <Failure error={error} onRetry={() => void params.refetch()} />
        </DialogBody>
      ) : params.data && (copyOf === null || copied.data) ? (
        <TriggerForm dag={dag} params={params.data} copied={copied.data ?? null} onClose={close} />
      ) : (
        <Loading />
      )}
    </Dialog>
  );
}

interface FormProps {
  dag: string;
  params: ParamsResponse;
  copied: DagRun | null;
  onClose: () => void;
}

/** What the server said about single fields, and the rest of it. */
function useServerErrors(error: unknown): ReturnType<typeof errorsByField> {
  const errorText = useErrorText();
  if (error instanceof ApiError && error.fields.length > 0) return errorsByField(error.fields);
  return { byParam: {}, byBody: {}, other: error ? [errorText(error)] : [] };
}

function useTrigger(dag: string, switchOn: boolean) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [, navigate] = useLocation();
  return useMutation({
    mutationFn: async (body: Parameters<typeof triggerRun>[1]) => {
      const run = await triggerRun(dag, body);
      if (switchOn) await setPaused(dag, false);
      return run;
    },
    onSuccess: (run) => {
      void client.invalidateQueries({ queryKey: keys.dags });
      void client.invalidateQueries({ queryKey: keys.dag(dag) });
      showToast({ kind: "done", text: t("trigger.done", { run: run.dag_run_id }) });
      navigate(runLink(dag, run.dag_run_id));
    },
  });
}

function TriggerForm({ dag, params, copied, onClose }: FormProps) {
  const { t } = useTranslation();
  const { zone } = usePrefs();
  const readOnly = useReadOnlyReason();
  const form = useConfForm(params, copied?.conf ?? null);
  const info = useQuery(dagQuery(dag));
  const [switchOn, setSwitchOn] = useState(false);
  const [shown, setShown] = useState(false);
  const trigger = useTrigger(dag, switchOn);
  const server = useServerErrors(trigger.error);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setShown(true);
    if (!form.valid || readOnly || trigger.isPending) return;
    const data = new FormData(event.currentTarget);
    const text = (name: string) => String(data.get(name) ?? "").trim();
    const [runId, note] = [text("dag_run_id"), text("note")];
    trigger.mutate({
      logical_date: instantFromInput(text("logical_date"), zone),
      conf: form.conf,
      ...(runId ? { dag_run_id: runId } : {}),
      ...(note ? { note } : {}),
    });
  };

  return (
    <form onSubmit={submit} onChange={() => (trigger.isError ? trigger.reset() : undefined)} noValidate>
      <DialogBody>
        {copied ? <p className={css.note}>{t("trigger.copyOf", { run: copied.dag_run_id })}</p> : null}
        {info.data?.is_paused ? (
          <div className={css.paused}>
            <p>{t("trigger.pausedHint")}</p>
            <label>
              <input type="checkbox" checked={switchOn} onChange={(event) => setSwitchOn(event.target.checked)} /> {t("trigger.switchOnToo")}
            </label>
          </div>
        ) : null}
        <Params form={form} shown={shown} serverErrors={server.byParam} />
        <RunOptions errors={server.byBody} />
        {server.other.map((text) => (
          <p key={text} role="alert" className={css.error}>
            {text}
          </p>
        ))}
      </DialogBody>
      <DialogFooter>
        <Button onClick={onClose}>{t("common.cancel")}</Button>
        <Button kind="primary" type="submit" off={readOnly ?? (trigger.isPending ? t("trigger.submitting") : null)}>
          {t("trigger.submit")}
        </Button>
      </DialogFooter>
    </form>
  );
}

interface ParamsProps {
  form: ConfForm;
  /** Whether problems of untouched fields show already. */
  shown: boolean;
  serverErrors: Record<string, string>;
}

function Params({ form, shown, serverErrors }: ParamsProps) {
  const { t } = useTranslation();
  const [tab, setTab] = useState<"form" | "json">("form");
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const words = (problem: Problem | null) => (problem ? t(`form.error.${problem.key}`, problem.values ?? {}) : null);
  return (
    <section aria-label={t("trigger.params")}>
      <div className={css.tabs} role="group" aria-label={t("trigger.view")}>
        <h3>{t("trigger.params")}</h3>
        <Button kind="ghost" onClick={form.reset}>
          {t("trigger.reset")}
        </Button>
        <Button pressed={tab === "form"} onClick={() => setTab("form")}>
          {t("trigger.form")}
        </Button>
        <Button pressed={tab === "json"} onClick={() => setTab("json")}>
          {t("trigger.json")}
        </Button>
      </div>
      {tab === "json" ? (
        <Field label={t("trigger.confLabel")} error={words(form.jsonProblem) ?? Object.entries(serverErrors).map(([name, text]) => `${name}: ${text}`).join("\n")}>
          {(props) => <TextArea {...props} mono rows={14} spellCheck={false} value={form.json} onChange={(event) => form.editJson(event.target.value)} />}
        </Field>
      ) : null}
      {tab === "form" && form.fields.length === 0 ? <p className={css.note}>{t("trigger.noParams")}</p> : null}
      {tab === "form"
        ? form.fields.map((field) => (
            <ParamInput
              key={field.name}
              field={field}
              text={form.text(field)}
              error={(shown || touched.has(field.name) ? words(form.problem(field)) : null) ?? serverErrors[field.name] ?? null}
              onChange={(text) => {
                setTouched((now) => new Set(now).add(field.name));
                form.edit(field, text);
              }}
            />
          ))
        : null}
      {tab === "form" && form.extra.length > 0 ? <p className={css.note}>{t("trigger.extra", { names: form.extra.join(", ") })}</p> : null}
    </section>
  );
}

function RunOptions({ errors }: { errors: Record<string, string> }) {
  const { t } = useTranslation();
  const { zone } = usePrefs();
  const shownZone = zone === "utc" ? "UTC" : localZone();
  return (
    <details className={css.options} open={Object.keys(errors).length > 0 || undefined}>
      <summary>{t("trigger.advanced")}</summary>
      <div className={css.optionFields}>
        <Field label={t("trigger.logicalDate")} hint={t("trigger.logicalHint", { zone: shownZone })} error={errors.logical_date}>
          {(props) => <TextInput {...props} name="logical_date" type="datetime-local" step={1} />}
        </Field>
        <Field label={t("trigger.runId")} hint={t("trigger.runIdHint")} error={errors.dag_run_id}>
          {(props) => <TextInput {...props} name="dag_run_id" mono autoComplete="off" />}
        </Field>
        <Field label={t("trigger.note")} error={errors.note}>
          {(props) => <TextArea {...props} name="note" rows={2} />}
        </Field>
      </div>
    </details>
  );
}
