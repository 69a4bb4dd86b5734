/** The tabs of a task instance besides its log. */

import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { explainQuery, renderedQuery, xcomQuery } from "../api/queries";
import type { TaskInstance } from "../api/types";
import { CopyButton } from "../components/controls";
import { Empty, Loaded } from "../components/feedback";
import { Facts } from "../components/PageHead";
import { StateBadge } from "../components/State";
import { Time } from "../components/Time";
import { prettyJson } from "../lib/params";
import type { TaskRef } from "./TaskPage";
import css from "./TaskPage.module.css";

function Block({ name, text, aside }: { name: string; text: string; aside?: ReactNode }) {
  const { t } = useTranslation();
  return (
    <section className={css.block}>
      <header className={css.blockHead}>
        <h3>{name}</h3>
        {aside}
        <CopyButton text={text} label={t("task.copyField", { name })} />
      </header>
      <pre>{text}</pre>
    </section>
  );
}

export function Rendered({ at, tryNumber }: { at: TaskRef; tryNumber: number }) {
  const { t } = useTranslation();
  const query = useQuery(renderedQuery(at.dag, at.run, at.task, at.mapIndex, tryNumber));
  return (
    <Loaded query={query}>
      {({ fields }) => {
        const entries = Object.entries(fields);
        if (entries.length === 0) return <Empty title={t("task.noRendered")} />;
        return entries.map(([name, text]) => <Block key={name} name={name} text={text} />);
      }}
    </Loaded>
  );
}

export function XCom({ at }: { at: TaskRef }) {
  const { t } = useTranslation();
  const query = useQuery(xcomQuery(at.dag, at.run, at.task, at.mapIndex));
  return (
    <Loaded query={query}>
      {(entries) => {
        if (entries.length === 0) return <Empty title={t("task.noXcom")} />;
        return entries.map((entry) => (
          <Block
            key={entry.key}
            name={entry.key}
            text={typeof entry.value === "string" ? entry.value : prettyJson(entry.value)}
            aside={
              <span className={css.aside}>
                <Time at={entry.timestamp} />
              </span>
            }
          />
        ));
      }}
    </Loaded>
  );
}

export function Why({ at }: { at: TaskRef }) {
  const { t } = useTranslation();
  const query = useQuery(explainQuery(at.dag, at.run, at.task, at.mapIndex));
  return (
    <Loaded query={query}>
      {({ state, reasons }) => (
        <section className={css.why}>
          <h2>{t("task.whyTitle")}</h2>
          <p className={css.whyState}>
            {t("task.whyState")} <StateBadge state={state} />
          </p>
          {reasons.length === 0 ? <p>{t("task.whyNone")}</p> : null}
          <ul>
            {reasons.map((reason) => (
              <li key={reason.code + reason.text}>
                <p>{reason.text}</p>
                {reason.help ? <p>{reason.help}</p> : null}
                <code data-tip={prettyJson(reason.operands)}>{reason.code}</code>
              </li>
            ))}
          </ul>
        </section>
      )}
    </Loaded>
  );
}

export function TaskDetails({ ti }: { ti: TaskInstance }) {
  const { t } = useTranslation();
  const number = (value: number | null) => (value === null ? null : String(value));
  return (
    <Facts
      facts={{
        [t("task.operator")]: ti.operator,
        [t("task.hostname")]: ti.hostname,
        [t("task.pid")]: number(ti.pid),
        [t("task.unixname")]: ti.unixname,
        [t("task.pool")]: ti.pool,
        [t("task.slots")]: number(ti.pool_slots),
        [t("task.queue")]: ti.queue,
        [t("task.weight")]: number(ti.priority_weight),
        [t("task.scheduledWhen")]: ti.scheduled_when ? <Time at={ti.scheduled_when} /> : null,
        [t("task.queuedWhen")]: ti.queued_when ? <Time at={ti.queued_when} /> : null,
        [t("task.mapIndex")]: ti.map_index >= 0 ? String(ti.map_index) : null,
        [t("task.note")]: ti.note,
      }}
    />
  );
}
