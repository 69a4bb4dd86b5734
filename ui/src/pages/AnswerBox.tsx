/** What a task asks a person, with a button for each option; shown while it waits for the answer. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { answerTask } from "../api/actions";
import { keys, questionQuery } from "../api/queries";
import { Button } from "../components/controls";
import { Confirm } from "../components/Dialog";
import { useErrorText } from "../components/feedback";
import { Time } from "../components/Time";
import { useReadOnlyReason } from "../lib/access";
import type { TaskRef } from "./TaskPage";
import css from "./TaskPage.module.css";

export function AnswerBox({ at }: { at: TaskRef }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const readOnly = useReadOnlyReason();
  const errorText = useErrorText();
  const [chosen, setChosen] = useState<string | null>(null);
  const { data: question } = useQuery(questionQuery(at.dag, at.run, at.task, at.mapIndex));
  const answer = useMutation({
    mutationFn: (option: string) => answerTask(at.dag, at.run, at.task, at.mapIndex, [option]),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keys.dag(at.dag) });
      setChosen(null);
    },
  });
  if (question === undefined || question.response_received) return null;
  const users = question.assigned_users.map((user) => user.name).join(", ");
  return (
    <section className={css.question} aria-label={t("task.question")}>
      <h3>{question.subject}</h3>
      {question.body === null ? null : <p>{question.body}</p>}
      <p className={css.asked}>
        {t("task.askedAt")} <Time at={question.created_at} />
        {users === "" ? null : ` · ${t("task.mayAnswer", { users })}`}
      </p>
      <div className={css.options}>
        {question.options.map((option, place) => (
          <Button key={option} kind={place === 0 ? "primary" : "plain"} off={readOnly} onClick={() => setChosen(option)}>
            {option}
          </Button>
        ))}
      </div>
      {chosen === null ? null : (
        <Confirm
          title={t("task.confirmAnswer", { option: chosen })}
          hint={question.subject}
          submit={chosen}
          danger={false}
          busy={answer.isPending}
          error={answer.error ? errorText(answer.error) : null}
          onConfirm={() => answer.mutate(chosen)}
          onClose={() => {
            answer.reset();
            setChosen(null);
          }}
        />
      )}
    </section>
  );
}
