/** "Mark success" and "mark failed", for a run or for a task instance, each with a question first. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { markRun, markTask } from "../api/actions";
import { keys } from "../api/queries";
import type { StateName } from "../lib/state";
import { Button } from "../components/controls";
import { Confirm } from "../components/Dialog";
import { useErrorText } from "../components/feedback";
import { useReadOnlyReason } from "../lib/access";

interface MarkButtonsProps {
  dag: string;
  run: string;
  task?: { id: string; mapIndex: number };
  state: StateName;
}

type Mark = "success" | "failed";

export function MarkButtons({ dag, run, task, state }: MarkButtonsProps) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const readOnly = useReadOnlyReason();
  const errorText = useErrorText();
  const [asked, setAsked] = useState<Mark | null>(null);
  const mark = useMutation({
    mutationFn: async (to: Mark) => {
      if (task) await markTask(dag, run, task.id, task.mapIndex, to);
      else await markRun(dag, run, to);
    },
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keys.dag(dag) });
      setAsked(null);
    },
  });
  const why = (to: Mark) => readOnly ?? (state === to ? t("run.alreadyState") : null);
  return (
    <>
      <Button off={why("success")} onClick={() => setAsked("success")}>
        {t("run.markSuccess")}
      </Button>
      <Button off={why("failed")} onClick={() => setAsked("failed")}>
        {t("run.markFailed")}
      </Button>
      {asked === null ? null : (
        <Confirm
          title={task ? t(`run.confirmTask_${asked}`, { task: task.id }) : t(`run.confirmRun_${asked}`)}
          hint={t(`run.confirmHint_${asked}`)}
          submit={t(asked === "success" ? "run.markSuccess" : "run.markFailed")}
          danger={asked === "failed"}
          busy={mark.isPending}
          error={mark.error ? errorText(mark.error) : null}
          onConfirm={() => mark.mutate(asked)}
          onClose={() => {
            mark.reset();
            setAsked(null);
          }}
        />
      )}
    </>
  );
}
