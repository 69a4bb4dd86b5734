/** Switching a DAG on or off: shown at once, taken back if the server refuses, with an undo. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { setPaused } from "../api/actions";
import { keys } from "../api/queries";
import type { Dag, DagListResponse } from "../api/types";
import { useErrorText } from "../components/feedback";
import { showToast } from "./toasts";

interface Change {
  dag: string;
  isPaused: boolean;
  isUndo?: boolean;
}

/** Returns the function that switches; safe to call for any DAG. */
export function usePause(): (dag: string, isPaused: boolean) => void {
  const { t } = useTranslation();
  const client = useQueryClient();
  const errorText = useErrorText();
  const show = ({ dag, isPaused }: Change) => {
    client.setQueriesData<DagListResponse>({ queryKey: keys.dags }, (list) =>
      list ? { ...list, dags: list.dags.map((row) => (row.dag_id === dag ? { ...row, is_paused: isPaused } : row)) } : list,
    );
    client.setQueryData<Dag>([...keys.dag(dag), "info"], (info) => (info ? { ...info, is_paused: isPaused } : info));
  };
  const { mutate } = useMutation({
    mutationFn: ({ dag, isPaused }: Change) => setPaused(dag, isPaused),
    onMutate: async (change) => {
      await client.cancelQueries({ queryKey: keys.dags });
      show(change);
    },
    onSuccess: (_answer, { dag, isPaused, isUndo }) => {
      if (isUndo) return;
      showToast({
        kind: "done",
        text: t(isPaused ? "dags.pausedNow" : "dags.onNow", { dag }),
        action: { label: t("dags.undo"), run: () => mutate({ dag, isPaused: !isPaused, isUndo: true }) },
      });
    },
    onError: (error, change) => {
      show({ ...change, isPaused: !change.isPaused });
      showToast({ kind: "error", text: errorText(error) });
    },
    onSettled: (_answer, _error, { dag }) => {
      void client.invalidateQueries({ queryKey: keys.dags });
      void client.invalidateQueries({ queryKey: keys.dag(dag) });
    },
  });
  return (dag, isPaused) => mutate({ dag, isPaused });
}
