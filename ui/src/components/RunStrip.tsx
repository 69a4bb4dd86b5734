/** The last runs of a DAG in one small picture: colour and glyph are the state, height is the duration. */

import { useState } from "react";
import type { MouseEvent } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "wouter";
import type { RunMark } from "../api/types";
import { useZone } from "../lib/hooks";
import { runLink } from "../lib/links";
import { GLYPHS, stateColour, stateKey } from "../lib/state";
import { formatDuration, formatInstant } from "../lib/time";
import { Tip } from "./controls";
import css from "./RunStrip.module.css";

const SLOTS = 14;
const STEP = 13;
const BAR = 11;
const HEIGHT = 26;
const MIN_BAR = 12;

interface Bar {
  run: RunMark;
  x: number;
  height: number;
}

/** Bars from right (newest) to left; heights follow the square root, so that one long run does not flatten the others. */
export function stripBars(runs: RunMark[]): Bar[] {
  const shown = runs.slice(-SLOTS);
  const longest = Math.max(1, ...shown.map((run) => run.duration_secs ?? 0));
  return shown.map((run, i) => ({
    run,
    x: (SLOTS - shown.length + i) * STEP,
    height: Math.round(MIN_BAR + (HEIGHT - MIN_BAR) * Math.sqrt((run.duration_secs ?? 0) / longest)),
  }));
}

/** Groups of bars by state, each drawn as one path: a strip is a handful of nodes, whatever it shows. */
function byState(bars: Bar[]): [string, Bar[]][] {
  const groups = new Map<string, Bar[]>();
  for (const bar of bars) groups.set(bar.run.state, [...(groups.get(bar.run.state) ?? []), bar]);
  return [...groups];
}

function runAt(bars: Bar[], event: MouseEvent<SVGSVGElement>): Bar | undefined {
  const x = event.clientX - event.currentTarget.getBoundingClientRect().left;
  return bars.find((bar) => x >= bar.x && x < bar.x + STEP);
}

export function RunStrip({ dag, runs }: { dag: string; runs: RunMark[] }) {
  const { t, i18n } = useTranslation();
  const zone = useZone();
  const [, navigate] = useLocation();
  const [over, setOver] = useState<Bar | null>(null);
  if (runs.length === 0) return <span className={css.none}>{t("dags.noRuns")}</span>;
  const bars = stripBars(runs);
  const groups = byState(bars);
  const words = groups.map(([state, each]) => `${t(`state.${stateKey(state)}`)} ${each.length}`).join(", ");
  const tip = over
    ? t("dags.stripTip", {
        state: t(`state.${stateKey(over.run.state)}`),
        when: formatInstant(over.run.run_after, zone, false),
        duration: formatDuration(over.run.duration_secs, i18n.language) || "–",
      })
    : t("dags.strip", { count: bars.length, text: words });
  return (
    <Tip text={tip}>
      {/* oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions -- a shortcut for the mouse; keyboards reach the same runs through the DAG's grid */}
      <svg
        className={css.strip}
        width={SLOTS * STEP}
        height={HEIGHT}
        role="img"
        aria-label={t("dags.strip", { count: bars.length, text: words })}
        onMouseMove={(event) => setOver(runAt(bars, event) ?? null)}
        onMouseLeave={() => setOver(null)}
        onClick={(event) => {
          const bar = runAt(bars, event);
          if (bar) navigate(runLink(dag, bar.run.run_id));
        }}
      >
        {groups.map(([state, each]) => (
          <StripState key={state} state={state} bars={each} />
        ))}
      </svg>
    </Tip>
  );
}

function StripState({ state, bars }: { state: string; bars: Bar[] }) {
  const plates = bars.map((bar) => `M${bar.x} ${HEIGHT}v${2 - bar.height}q0-2 2-2h${BAR - 4}q2 0 2 2v${bar.height - 2}z`).join("");
  return (
    <g data-state={stateKey(state)} style={{ color: stateColour(state) }}>
      <path className={css.plate} d={plates} />
      {bars.map((bar) => (
        <path key={bar.run.run_id} className={css.mark} d={GLYPHS[stateKey(state)]} transform={`translate(${bar.x} ${HEIGHT - 11.5}) scale(0.68)`} />
      ))}
    </g>
  );
}
