/** Instants and durations on screen; the tooltip shows UTC and local time. */

import { useTranslation } from "react-i18next";
import { useNow, useZone } from "../lib/hooks";
import { elapsedSecs, formatDuration, formatInstant, formatRelative, localZone } from "../lib/time";
import { Tip } from "./controls";
import css from "./controls.module.css";

interface TimeProps {
  at: string | null | undefined;
  relative?: boolean;
  seconds?: boolean;
}

export function Time({ at, relative = false, seconds = true }: TimeProps) {
  const { t, i18n } = useTranslation();
  const zone = useZone();
  const now = useNow(relative ? 10_000 : 60_000, relative && Boolean(at));
  if (!at) return null;
  const shown = relative ? formatRelative(at, now, i18n.language) : formatInstant(at, zone, seconds);
  const tip = [
    relative ? "" : formatRelative(at, Date.now(), i18n.language),
    t("common.utcTip", { text: formatInstant(at, "UTC") }),
    t("common.localTip", { text: `${formatInstant(at, localZone())} ${localZone()}` }),
  ];
  return (
    <Tip text={tip.filter(Boolean).join("\n")}>
      <time className={css.time} dateTime={at}>
        {shown}
      </time>
    </Tip>
  );
}

/** Time between two instants; counts on while there is no end and `running`. */
export function Duration({ start, end, running = false }: { start: string | null; end: string | null; running?: boolean }) {
  const { i18n } = useTranslation();
  const now = useNow(1000, running && Boolean(start) && !end);
  if (!start || (!end && !running)) return null;
  return <span className={css.time}>{formatDuration(elapsedSecs(start, end, now), i18n.language)}</span>;
}
