/**
 * The grid: one canvas for all cells, real text for the task names, and an ARIA twin of the row and cell in focus, so
 * that a screen reader walks it like a table.
 */

import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { KeyboardEvent, MouseEvent, RefObject } from "react";
import { useTranslation } from "react-i18next";
import type { GridResponse } from "../api/types";
import { Tip } from "../components/controls";
import { decodeCells } from "../lib/cells";
import { isActive, stateKey } from "../lib/state";
import { useNow, useZone } from "../lib/hooks";
import { elapsedSecs, formatDuration, formatInstant } from "../lib/time";
import { drawGrid } from "./draw";
import type { Scene } from "./draw";
import { CELL_H, CELL_W, HEAD_H, cutMiddle, moveSpot, scrollToShow, spotAt } from "./geometry";
import type { Spot } from "./geometry";
import { usePalette } from "./palette";
import css from "./Grid.module.css";

interface GridProps {
  grid: GridResponse;
  selected: Spot | null;
  onSelect: (spot: Spot) => void;
  onOpen: (spot: Spot) => void;
}

const NAME_CHARS = 30;

export function Grid({ grid, selected, onSelect, onOpen }: GridProps) {
  const { t } = useTranslation();
  const canvas = useRef<HTMLCanvasElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const names = useRef<HTMLDivElement>(null);
  const [hover, setHover] = useState<Spot | null>(null);
  const size = useMemo(() => ({ runs: grid.runs.length, tasks: grid.tasks.length }), [grid]);
  const scene = useScene(grid, hover, selected);
  const describe = useDescribe(grid, scene);

  const paint = useCallback(() => {
    const [box, target] = [scroller.current, canvas.current];
    if (!box || !target) return;
    if (names.current) names.current.style.transform = `translateY(${-box.scrollTop}px)`;
    drawGrid(target, scene, { left: box.scrollLeft, top: box.scrollTop, width: box.clientWidth, height: box.clientHeight });
  }, [scene]);
  usePainting(scroller, paint);
  useNewestInView(scroller, size.runs);

  const show = (spot: Spot) => {
    const box = scroller.current;
    if (!box) return;
    box.scrollLeft = scrollToShow(box.scrollLeft, box.clientWidth, spot.run * CELL_W, CELL_W);
    if (spot.task >= 0) box.scrollTop = scrollToShow(box.scrollTop, box.clientHeight - HEAD_H, spot.task * CELL_H, CELL_H);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const from = selected ?? { run: size.runs - 1, task: -1 };
    if (event.key === "Enter" && selected) return onOpen(selected);
    const next = selected ? moveSpot(from, event.key, size) : moveSpot(from, event.key, size) && from;
    if (!next) return;
    event.preventDefault();
    onSelect(next);
    show(next);
  };
  const under = (event: MouseEvent): Spot | null => {
    const box = scroller.current;
    if (!box) return null;
    const at = box.getBoundingClientRect();
    const [x, y] = [event.clientX - at.left + box.scrollLeft, event.clientY - at.top];
    return spotAt(x, y < HEAD_H ? y : y + box.scrollTop, size);
  };
  const move = (event: MouseEvent) => {
    const spot = under(event);
    setHover((now) => (now?.run === spot?.run && now?.task === spot?.task ? now : spot));
  };

  return (
    <div className={css.frame}>
      <Names grid={grid} inner={names} hover={hover?.task ?? selected?.task ?? null} />
      <Tip text={hover ? describe(hover) : ""}>
        <div
          ref={scroller}
          className={css.scroller}
          style={{ height: HEAD_H + size.tasks * CELL_H + 14 }}
          role="grid"
          tabIndex={0}
          aria-label={t("grid.label")}
          aria-rowcount={size.tasks + 1}
          aria-colcount={size.runs}
          aria-activedescendant={selected ? "grid-active-cell" : undefined}
          onKeyDown={onKeyDown}
          onMouseMove={move}
          onMouseLeave={() => setHover(null)}
          onClick={(event) => {
            const spot = under(event);
            if (spot) onSelect(spot);
          }}
          onDoubleClick={(event) => {
            const spot = under(event);
            if (spot) onOpen(spot);
          }}
        >
          <div className={css.content} role="presentation" style={{ width: size.runs * CELL_W, height: HEAD_H + size.tasks * CELL_H }}>
            <canvas ref={canvas} className={css.canvas} aria-hidden="true" />
          </div>
          <Twin selected={selected} text={selected ? describe(selected) : ""} rowName={selected && selected.task >= 0 ? (grid.tasks[selected.task]?.task_id ?? "") : ""} />
        </div>
      </Tip>
      <div className={css.srOnly} aria-live="polite">
        {selected ? describe(selected) : ""}
      </div>
    </div>
  );
}

/** The focused cell as real elements: what `aria-activedescendant` points to. */
function Twin({ selected, text, rowName }: { selected: Spot | null; text: string; rowName: string }) {
  return (
    <div role="row" className={css.srOnly} aria-rowindex={selected ? selected.task + 2 : 1}>
      {rowName === "" ? null : <span role="rowheader">{rowName}</span>}
      <span role="gridcell" id="grid-active-cell" aria-colindex={selected ? selected.run + 1 : 1} aria-selected={selected !== null}>
        {text}
      </span>
    </div>
  );
}

function Names({ grid, inner, hover }: { grid: GridResponse; inner: RefObject<HTMLDivElement | null>; hover: number | null }) {
  const { t } = useTranslation();
  return (
    <div className={css.names} style={{ height: HEAD_H + grid.tasks.length * CELL_H + 14 }}>
      <div className={css.namesHead} style={{ height: HEAD_H }}>
        {t("grid.tasks", { count: grid.tasks.length })}
      </div>
      <div className={css.namesWindow}>
        <div ref={inner}>
          {grid.tasks.map((task, i) => (
            <Tip key={task.task_id} text={`${task.task_id}\n${task.operator}`}>
              <div className={css.name} data-hover={i === hover} style={{ height: CELL_H }}>
                {cutMiddle(task.task_id, NAME_CHARS)}
              </div>
            </Tip>
          ))}
        </div>
      </div>
    </div>
  );
}

function useScene(grid: GridResponse, hover: Spot | null, focus: Spot | null): Scene {
  const palette = usePalette();
  const zone = useZone();
  const running = grid.runs.some((run) => isActive(run.state));
  const nowMillis = useNow(1000, running);
  const cells = useMemo(() => decodeCells(grid), [grid]);
  const days = useMemo(() => {
    const found = new Map<number, string>();
    let before = "";
    grid.runs.forEach((run, i) => {
      const day = formatInstant(run.run_after, zone, false).slice(5, 10);
      if (day !== before) found.set(i, day);
      before = day;
    });
    return found;
  }, [grid, zone]);
  return useMemo(() => {
    const longestSecs = Math.max(1, ...grid.runs.map((run) => elapsedSecs(run.start_date, run.end_date, nowMillis) ?? 0));
    return { runs: grid.runs, tasks: grid.tasks.length, cells, palette, longestSecs, nowMillis, days, hover, focus };
  }, [grid, cells, palette, nowMillis, days, hover, focus]);
}

/** A spot in words: for the tooltip, the screen reader and the live region. */
function useDescribe(grid: GridResponse, scene: Scene): (spot: Spot) => string {
  const { t, i18n } = useTranslation();
  const zone = useZone();
  return (spot) => {
    const run = grid.runs[spot.run];
    if (!run) return "";
    const name = formatInstant(run.logical_date ?? run.run_after, zone, false);
    if (spot.task >= 0) {
      return t("grid.cell", { task: grid.tasks[spot.task]?.task_id ?? "", run: name, state: t(`state.${stateKey(scene.cells.at(spot.run, spot.task))}`) });
    }
    const duration = formatDuration(elapsedSecs(run.start_date, run.end_date, scene.nowMillis), i18n.language);
    return t("grid.runCell", { run: name, type: t(`runType.${run.run_type}`, { defaultValue: run.run_type }), state: t(`state.${stateKey(run.state)}`), duration: duration || "–" });
  };
}

/** Repaints on change, scroll and resize, at most once a frame. */
function usePainting(scroller: RefObject<HTMLDivElement | null>, paint: () => void): void {
  useLayoutEffect(() => paint(), [paint]);
  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    let frame = 0;
    const soon = () => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(paint);
    };
    const sizes = new ResizeObserver(soon);
    sizes.observe(box);
    box.addEventListener("scroll", soon, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      sizes.disconnect();
      box.removeEventListener("scroll", soon);
    };
  }, [scroller, paint]);
}

/** The newest run is at the right edge: show it at first, and keep showing it while one has not scrolled away. */
function useNewestInView(scroller: RefObject<HTMLDivElement | null>, runs: number): void {
  const before = useRef(0);
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const edge = before.current * CELL_W - box.clientWidth;
    if (before.current === 0 || box.scrollLeft >= edge - CELL_W) box.scrollLeft = box.scrollWidth;
    before.current = runs;
  }, [scroller, runs]);
}
