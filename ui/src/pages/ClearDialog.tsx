/** Clearing task instances: the server lists what would run again before anything happens. */

import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { clearTasks } from "../api/actions";
import { keys } from "../api/queries";
import { Button } from "../components/controls";
import { Dialog, DialogBody, DialogFooter } from "../components/Dialog";
import { Loading, useErrorText } from "../components/feedback";
import { StateBadge } from "../components/State";
import { showToast } from "../lib/toasts";
import css from "./ClearDialog.module.css";

interface ClearDialogProps {
  dag: string;
  run: string;
  /** One task instance; the whole run when left out. */
  task?: { id: string; mapIndex: number };
  /** Whether the run has failed tasks: then clearing only those is the first offer. */
  hasFailed: boolean;
  onClose: () => void;
}

export function ClearDialog({ dag, run, task, hasFailed, onClose }: ClearDialogProps) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const errorText = useErrorText();
  const [onlyFailed, setOnlyFailed] = useState(task === undefined && hasFailed);
  const [includeDownstream, setDownstream] = useState(task !== undefined);
  const [includeUpstream, setUpstream] = useState(false);
  const taskIds = task ? [task.mapIndex >= 0 ? ([task.id, task.mapIndex] as [string, number]) : task.id] : null;
  const options = { run, onlyFailed, includeDownstream, includeUpstream, ...(taskIds ? { taskIds } : {}) };
  const preview = useQuery({
    queryKey: [...keys.run(dag, run), "clear", options],
    queryFn: () => clearTasks(dag, options, true),
    placeholderData: keepPreviousData,
  });
  const clear = useMutation({
    mutationFn: () => clearTasks(dag, options, false),
    onSuccess: (answer) => {
      void client.invalidateQueries({ queryKey: keys.dag(dag) });
      showToast({ kind: "done", text: t("clear.done", { count: answer.task_instances.length }) });
      onClose();
    },
  });
  const tis = preview.data?.task_instances ?? [];
  const error = preview.error ?? clear.error;
  const off = clear.isPending || preview.isPending ? t("clear.computing") : tis.length === 0 ? t("clear.nothing") : null;
  return (
    <Dialog title={task ? t("clear.titleTask", { task: task.id }) : t("clear.title")} onClose={onClose}>
      <DialogBody>
        <div className={css.options}>
          <Option checked={onlyFailed} onChange={setOnlyFailed} text={t("clear.onlyFailed")} />
          {task ? <Option checked={includeDownstream} onChange={setDownstream} text={t("clear.downstream")} /> : null}
          {task ? <Option checked={includeUpstream} onChange={setUpstream} text={t("clear.upstream")} /> : null}
        </div>
        {error ? (
          <p role="alert" className={css.error}>
            {errorText(error)}
          </p>
        ) : null}
        {preview.isPending && !error ? <Loading /> : null}
        {preview.data ? (
          <>
            <p className={css.count} aria-live="polite">
              {tis.length === 0 ? t("clear.nothing") : t("clear.preview", { count: tis.length })}
            </p>
            <ul className={css.list}>
              {tis.map((ti) => (
                <li key={`${ti.task_id} ${ti.map_index}`}>
                  <span>{ti.map_index >= 0 ? `${ti.task_id} [${ti.map_index}]` : ti.task_id}</span>
                  <StateBadge state={ti.state} quiet />
                </li>
              ))}
            </ul>
          </>
        ) : null}
      </DialogBody>
      <DialogFooter>
        <Button onClick={onClose}>{t("common.cancel")}</Button>
        <Button kind="primary" off={off} onClick={() => clear.mutate()}>
          {t("clear.submit")}
        </Button>
      </DialogFooter>
    </Dialog>
  );
}

function Option({ checked, onChange, text }: { checked: boolean; onChange: (checked: boolean) => void; text: string }) {
  return (
    <label>
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.target.checked)} /> {text}
    </label>
  );
}
