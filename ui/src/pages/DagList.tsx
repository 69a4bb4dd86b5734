/** All DAGs in a dense table; search and filters live in the address. */

import { useQuery } from "@tanstack/react-query";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { dagListQuery } from "../api/queries";
import type { DagRow as Row } from "../api/types";
import { Button, SearchInput, Select } from "../components/controls";
import { Empty, Loaded } from "../components/feedback";
import { useMediaQuery, useQueryState, useRested, useTitle } from "../lib/hooks";
import { DagRow } from "./DagRow";
import { ImportErrors } from "./ImportErrors";
import css from "./DagList.module.css";

const COLUMNS = ["on", "name", "schedule", "next", "runs", "owner", "tags", "trigger"] as const;

export function DagList() {
  const { t } = useTranslation();
  useTitle(t("dags.title"));
  const [params] = useQueryState();
  const [q, tag, show] = [params.get("q") ?? "", params.get("tag") ?? "", params.get("paused") ?? ""];
  const query = useQuery(dagListQuery(q, tag));
  const rows = (query.data?.dags ?? []).filter((row) => show === "" || row.is_paused === (show === "true"));
  return (
    <>
      <h1 className={css.title}>{t("dags.title")}</h1>
      <Filters tags={query.data?.tags ?? []} count={query.data ? rows.length : null} />
      <ImportErrors />
      <Loaded query={query}>{() => (rows.length === 0 ? <NothingFound filtered={q + tag + show !== ""} /> : <Table rows={rows} />)}</Loaded>
    </>
  );
}

function Filters({ tags, count }: { tags: string[]; count: number | null }) {
  const { t } = useTranslation();
  const [params, setParams] = useQueryState();
  const inAddress = params.get("q") ?? "";
  const [text, setText] = useState(inAddress);
  const rested = useRested(text, 200);
  const sent = useRef(inAddress);
  useEffect(() => {
    if (rested === sent.current) return;
    sent.current = rested;
    setParams({ q: rested });
  }, [rested, setParams]);
  useEffect(() => {
    // Back, forward or "clear the filters" changed the address under the field.
    if (inAddress === sent.current) return;
    sent.current = inAddress;
    setText(inAddress);
  }, [inAddress]);
  const tag = params.get("tag") ?? "";
  const shown = tag !== "" && !tags.includes(tag) ? [tag, ...tags] : tags;
  return (
    <div className={css.filters} role="search">
      <SearchInput label={t("dags.searchHint")} value={text} onChange={(event) => setText(event.target.value)} />
      <Select aria-label={t("dags.tag")} value={tag} onChange={(event) => setParams({ tag: event.target.value })}>
        <option value="">{t("dags.allTags")}</option>
        {shown.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </Select>
      <Select aria-label={t("dags.show")} value={params.get("paused") ?? ""} onChange={(event) => setParams({ paused: event.target.value })}>
        <option value="">{t("dags.all")}</option>
        <option value="false">{t("dags.active")}</option>
        <option value="true">{t("dags.paused")}</option>
      </Select>
      <span className={css.count} role="status">
        {count === null ? "" : t("dags.count", { count })}
      </span>
    </div>
  );
}

function NothingFound({ filtered }: { filtered: boolean }) {
  const { t } = useTranslation();
  const [, setParams] = useQueryState();
  if (!filtered) return <Empty title={t("dags.empty")} hint={t("dags.emptyHint")} />;
  return (
    <Empty title={t("dags.noMatch")} hint={t("dags.noMatchHint")}>
      <Button onClick={() => setParams({ q: null, tag: null, paused: null })}>{t("dags.clearFilters")}</Button>
    </Empty>
  );
}

/** Only the rows in view are in the page, so 1,000 DAGs cost what 30 do. */
function Table({ rows }: { rows: Row[] }) {
  const { t } = useTranslation();
  const body = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const narrow = useMediaQuery("(max-width: 900px)");
  useLayoutEffect(() => setTop((body.current?.getBoundingClientRect().top ?? 0) + window.scrollY), [rows.length, narrow]);
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => (narrow ? 118 : 44),
    overscan: 8,
    scrollMargin: top,
    getItemKey: (index) => rows[index]?.dag_id ?? index,
  });
  return (
    <div className={css.table} role="table" aria-rowcount={rows.length + 1} aria-label={t("dags.title")}>
      <div className={css.head} role="row" aria-rowindex={1}>
        {COLUMNS.map((column) => (
          <span key={column} role="columnheader">
            {t(`dags.${column}`)}
          </span>
        ))}
      </div>
      <div ref={body} role="rowgroup" className={css.body} style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const row = rows[item.index];
          return row ? (
            <div
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              className={css.slot}
              role="row"
              aria-rowindex={item.index + 2}
              style={{ transform: `translateY(${item.start - top}px)` }}
            >
              <DagRow row={row} />
            </div>
          ) : null;
        })}
      </div>
    </div>
  );
}
