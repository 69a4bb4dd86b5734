/** The log of one try: follows while it grows, numbers and links its lines, finds text, folds groups, keeps colours. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDownToLine, ChevronDown, ChevronUp, Clock, Download, WrapText } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import type { RefObject } from "react";
import { useTranslation } from "react-i18next";
import { Button, SearchInput } from "../components/controls";
import { Failure, Loading } from "../components/feedback";
import { useRested } from "../lib/hooks";
import { findLines, rangeFromHash, visibleRows } from "./lines";
import type { LogRow } from "./lines";
import { LogLineView } from "./LogLineView";
import { useLog, wholeLog } from "./useLog";
import type { LogSource, LogState } from "./useLog";
import css from "./LogView.module.css";

const ROW_PIXELS = 20;

export function LogView({ source, emptyText }: { source: LogSource; emptyText: string }) {
  const { t } = useTranslation();
  const log = useLog(source);
  const { lines } = log.buffer;
  if (log.error && lines.length === 0) return <Failure error={log.error} />;
  if (!log.loaded) return <Loading />;
  if (lines.length === 0) return <p className={css.empty}>{log.complete ? emptyText : t("log.waiting")}</p>;
  return <Viewer source={source} log={log} />;
}

function Viewer({ source, log }: { source: LogSource; log: LogState }) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const [wrap, setWrap] = useState(false);
  const [times, setTimes] = useState(true);
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set());
  const [marked, setMarked] = useState(() => rangeFromHash(window.location.hash));
  const { lines, longest, dropped } = log.buffer;
  // oxlint-disable-next-line react/exhaustive-deps -- the buffer changes in place; its revision tells
  const rows = useMemo(() => visibleRows(lines, folded), [lines, folded, log.revision]);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PIXELS,
    overscan: 20,
    paddingStart: 8,
    paddingEnd: 12,
    getItemKey: (index) => rows[index]?.line.n ?? index,
  });
  const showLine = (n: number) => {
    const index = rows.findIndex((row) => row.line.n >= n);
    if (index >= 0) virtual.scrollToIndex(index, { align: "center" });
  };
  const [follow, setFollow] = useFollow(scroller, rows.length, !log.complete && marked === null, () => virtual.scrollToIndex(rows.length - 1, { align: "end" }));
  const find = useFind(log, (n) => {
    setFollow(false);
    showLine(n);
  });
  useMarkedInView(marked, rows, showLine);
  useEffect(() => virtual.measure(), [virtual, wrap, times]);

  const mark = (n: number, extend: boolean) => {
    const range: [number, number] = extend && marked ? [Math.min(marked[0], n), Math.max(marked[1], n)] : [n, n];
    setMarked(range);
    const hash = range[0] === range[1] ? `#L${range[0]}` : `#L${range[0]}-${range[1]}`;
    window.history.replaceState(window.history.state, "", window.location.pathname + window.location.search + hash);
  };
  const fold = (n: number) =>
    setFolded((now) => {
      const next = new Set(now);
      if (!next.delete(n)) next.add(n);
      return next;
    });

  return (
    <section className={css.viewer} aria-label={t("log.label")}>
      <div className={css.tools}>
        <Finder find={find} />
        <span className={css.status} role="status">
          {t("log.lines", { count: lines.length + dropped })}
          {log.complete ? "" : ` · ${t("log.live")}`}
        </span>
        {log.complete ? null : (
          <Button pressed={follow} tip={t("log.followHint")} onClick={() => setFollow(!follow)}>
            <ArrowDownToLine />
            {t("log.follow")}
          </Button>
        )}
        <Button pressed={times} label={t("log.times")} onClick={() => setTimes(!times)}>
          <Clock />
        </Button>
        <Button pressed={wrap} label={t("log.wrap")} onClick={() => setWrap(!wrap)}>
          <WrapText />
        </Button>
        <Button label={t("log.download")} onClick={() => void download(source)}>
          <Download />
        </Button>
      </div>
      {dropped > 0 ? <p className={css.cut}>{t("log.cut", { count: lines.length })}</p> : null}
      <div ref={scroller} className={css.scroller} data-wrap={wrap} tabIndex={0} role="log" aria-live="off" aria-label={t("log.label")}>
        <div className={css.content} style={{ height: virtual.getTotalSize(), minWidth: wrap ? undefined : `calc(${Math.min(longest, 4000)}ch + 90px)` }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index];
            return row ? (
              <div key={item.key} ref={wrap ? virtual.measureElement : undefined} data-index={item.index} className={css.slot} style={{ transform: `translateY(${item.start}px)` }}>
                <LogLineView
                  row={row}
                  times={times}
                  folded={folded.has(row.line.n)}
                  marked={marked !== null && row.line.n >= marked[0] && row.line.n <= marked[1]}
                  hit={find.hits.has(row.line.n)}
                  current={find.current === row.line.n}
                  onMark={mark}
                  onFold={fold}
                />
              </div>
            ) : null;
          })}
        </div>
      </div>
    </section>
  );
}

/** Following: on while the log grows, off as soon as the reader scrolls up, on again at the end. */
function useFollow(scroller: RefObject<HTMLDivElement | null>, count: number, start: boolean, toEnd: () => void): [boolean, (on: boolean) => void] {
  const [follow, setFollow] = useState(start);
  const toEndNow = useRef(toEnd);
  toEndNow.current = toEnd;
  useEffect(() => {
    if (follow) toEndNow.current();
  }, [follow, count]);
  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const onWheel = (event: WheelEvent) => {
      if (event.deltaY < 0) setFollow(false);
    };
    const onKey = (event: KeyboardEvent) => {
      if (["ArrowUp", "PageUp", "Home"].includes(event.key)) setFollow(false);
      if (event.key === "End") setFollow(true);
    };
    let before = box.scrollTop;
    const onTouch = () => {
      if (box.scrollTop < before) setFollow(false);
      before = box.scrollTop;
    };
    box.addEventListener("wheel", onWheel, { passive: true });
    box.addEventListener("keydown", onKey);
    box.addEventListener("touchmove", onTouch, { passive: true });
    return () => {
      box.removeEventListener("wheel", onWheel);
      box.removeEventListener("keydown", onKey);
      box.removeEventListener("touchmove", onTouch);
    };
  }, [scroller]);
  return [follow, setFollow];
}

/** A permalink leads to its line once, as soon as that line has been read. */
function useMarkedInView(marked: [number, number] | null, rows: LogRow[], show: (n: number) => void): void {
  const wanted = useRef(marked?.[0] ?? null);
  useEffect(() => {
    if (wanted.current === null || (rows.at(-1)?.line.n ?? 0) < wanted.current) return;
    show(wanted.current);
    wanted.current = null;
  });
}

interface Find {
  text: string;
  setText: (text: string) => void;
  list: number[];
  hits: ReadonlySet<number>;
  current: number | null;
  step: (by: number) => void;
}

function useFind(log: LogState, show: (n: number) => void): Find {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const rested = useRested(text, 150);
  // oxlint-disable-next-line react/exhaustive-deps -- the buffer changes in place; its revision tells
  const list = useMemo(() => findLines(log.buffer.lines, rested), [log.buffer, log.revision, rested]);
  const hits = useMemo(() => new Set(list), [list]);
  const showNow = useRef(show);
  showNow.current = show;
  useEffect(() => {
    setAt(0);
    if (rested !== "" && list[0] !== undefined) showNow.current(list[0]);
    // oxlint-disable-next-line react/exhaustive-deps -- only a new text jumps, not a line that arrives
  }, [rested]);
  const step = (by: number) => {
    if (list.length === 0) return;
    const next = (at + by + list.length) % list.length;
    setAt(next);
    const n = list[next];
    if (n !== undefined) show(n);
  };
  return { text, setText, list, hits, current: list[at] ?? null, step };
}

function Finder({ find }: { find: Find }) {
  const { t } = useTranslation();
  return (
    <div className={css.finder}>
      <SearchInput
        label={t("log.find")}
        value={find.text}
        onChange={(event) => find.setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") find.step(event.shiftKey ? -1 : 1);
        }}
      />
      {find.text === "" ? null : (
        <>
          <span className={css.status} role="status">
            {find.list.length === 0 ? t("log.noMatch") : t("log.matches", { count: find.list.length })}
          </span>
          <Button kind="ghost" label={t("log.previous")} onClick={() => find.step(-1)}>
            <ChevronUp />
          </Button>
          <Button kind="ghost" label={t("log.next")} onClick={() => find.step(1)}>
            <ChevronDown />
          </Button>
        </>
      )}
    </div>
  );
}

async function download(source: LogSource): Promise<void> {
  const blob = new Blob([await wholeLog(source)], { type: "text/plain" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${source.dag}.${source.task}.try-${source.tryNumber}.log`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
