/** Assets: who writes each, whom it starts, what happened last, and a button that reports a change. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Megaphone } from "lucide-react";
import { useState } from "react";
import type { FormEvent, ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { reportAsset } from "../api/actions";
import { assetsQuery, keys } from "../api/queries";
import type { AssetNode } from "../api/types";
import { Button, SearchInput, Tip } from "../components/controls";
import { Dialog, DialogBody, DialogFooter } from "../components/Dialog";
import { Empty, Loaded, useErrorText } from "../components/feedback";
import { Field } from "../components/Field";
import { PageHead } from "../components/PageHead";
import { Time } from "../components/Time";
import { useReadOnlyReason } from "../lib/access";
import { readExtra } from "../lib/assets";
import { useQueryState, useTitle } from "../lib/hooks";
import { dagLink, taskLink } from "../lib/links";
import { showToast } from "../lib/toasts";
import admin from "./Admin.module.css";
import css from "./AssetsPage.module.css";

export default function AssetsPage() {
  const { t } = useTranslation();
  useTitle(t("nav.assets"));
  const readOnly = useReadOnlyReason();
  const [params, setParams] = useQueryState();
  const [reporting, setReporting] = useState<AssetNode | null>(null);
  const q = params.get("q") ?? "";
  const query = useQuery(assetsQuery(q));
  return (
    <>
      <PageHead
        trail={[]}
        title={t("nav.assets")}
        actions={<SearchInput label={t("assets.search")} value={q} onChange={(event) => setParams({ q: event.target.value })} />}
      />
      <Loaded query={query}>
        {({ assets }) =>
          assets.length === 0 ? (
            <Empty title={q === "" ? t("assets.empty") : t("assets.noMatch")} hint={q === "" ? t("assets.emptyHint") : undefined} />
          ) : (
            <Table assets={assets} readOnly={readOnly} onReport={setReporting} />
          )
        }
      </Loaded>
      {reporting ? <ReportDialog asset={reporting} onClose={() => setReporting(null)} /> : null}
    </>
  );
}

interface TableProps {
  assets: AssetNode[];
  readOnly: string | null;
  onReport: (asset: AssetNode) => void;
}

function Table({ assets, readOnly, onReport }: TableProps) {
  const { t } = useTranslation();
  return (
    <div className={admin.scroll} tabIndex={0} role="region" aria-label={t("nav.assets")}>
      <table className={admin.table}>
        <thead>
          <tr>
            <th>{t("assets.name")}</th>
            <th>{t("assets.writtenBy")}</th>
            <th>{t("assets.starts")}</th>
            <th className={admin.wide}>{t("assets.readBy")}</th>
            <th>{t("assets.last")}</th>
            <th>
              <span className={admin.srOnly}>{t("common.actions")}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {assets.map((asset) => (
            <tr key={asset.id}>
              <td>
                <div className={admin.id}>{asset.name}</div>
                {asset.uri === asset.name ? null : <code className={css.uri}>{asset.uri}</code>}
              </td>
              <td>
                <Links items={asset.producers.map(({ dag_id, task_id }) => [dagLink(dag_id), `${dag_id}.${task_id}`])} />
              </td>
              <td>
                <Started asset={asset} />
              </td>
              <td className={admin.wide}>
                <Links items={asset.consumers.map(({ dag_id, task_id }) => [dagLink(dag_id), `${dag_id}.${task_id}`])} />
              </td>
              <td>
                <LastEvent asset={asset} />
              </td>
              <td className={admin.actions}>
                <Button kind="ghost" label={t("assets.report", { name: asset.name })} off={readOnly} onClick={() => onReport(asset)}>
                  <Megaphone />
                </Button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Links({ items }: { items: [string, ReactNode][] }) {
  return (
    <ul className={css.list}>
      {items.map(([href, text]) => (
        <li key={href + String(text)}>
          <Link href={href}>{text}</Link>
        </li>
      ))}
    </ul>
  );
}

/** The DAGs that the asset starts; a mark says that one of them has its change and waits for others. */
function Started({ asset }: { asset: AssetNode }) {
  const { t } = useTranslation();
  return (
    <ul className={css.list}>
      {asset.starts.map((dag) => (
        <li key={dag.dag_id}>
          <Link href={dagLink(dag.dag_id)}>{dag.dag_id}</Link>
          {dag.has_changed ? (
            <Tip text={t("assets.arrivedHint", { dag: dag.dag_id })}>
              <span className={css.arrived} tabIndex={0}>
                {t("assets.arrived")}
              </span>
            </Tip>
          ) : null}
        </li>
      ))}
    </ul>
  );
}

function LastEvent({ asset }: { asset: AssetNode }) {
  const { t } = useTranslation();
  const last = asset.last_event;
  if (last === null) return <span className={admin.hidden}>{t("assets.never")}</span>;
  const { source_dag_id: dag, source_run_id: run, source_task_id: task } = last;
  return (
    <>
      <Time at={last.timestamp} relative />
      <div className={css.source}>
        {dag !== null && run !== null && task !== null ? <Link href={taskLink(dag, run, task)}>{`${dag}.${task}`}</Link> : t("assets.byHand")}
      </div>
    </>
  );
}

function ReportDialog({ asset, onClose }: { asset: AssetNode; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const errorText = useErrorText();
  const [wrong, setWrong] = useState<string | null>(null);
  const report = useMutation({
    mutationFn: (extra: Record<string, unknown>) => reportAsset(asset.id, extra),
    onSuccess: (event) => {
      void client.invalidateQueries({ queryKey: keys.assets });
      const dags = event.created_dagruns.map((run) => run.dag_id);
      showToast({ kind: "done", text: dags.length === 0 ? t("assets.reported", { name: asset.name }) : t("assets.reportedStarts", { name: asset.name, dags: dags.join(", ") }) });
      onClose();
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const read = readExtra(String(new FormData(event.currentTarget).get("extra") ?? ""));
    setWrong(read.ok ? null : t(`assets.wrong.${read.why}`, { message: read.message }));
    if (read.ok && !report.isPending) report.mutate(read.extra);
  };
  const problem = wrong ?? (report.error ? errorText(report.error) : null);
  return (
    <Dialog title={t("assets.report", { name: asset.name })} onClose={onClose}>
      <form onSubmit={submit}>
        <DialogBody>
          <p>{t("assets.reportHint")}</p>
          <Field label={t("assets.extra")} hint={t("assets.extraHint")}>
            {(props) => <textarea {...props} name="extra" rows={4} spellCheck={false} placeholder='{"version": 3}' />}
          </Field>
          {problem === null ? null : (
            <p role="alert" className={admin.error}>
              {problem}
            </p>
          )}
        </DialogBody>
        <DialogFooter>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button kind="primary" type="submit">
            {t("assets.submit")}
          </Button>
        </DialogFooter>
      </form>
    </Dialog>
  );
}
