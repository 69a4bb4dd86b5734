/** One line of a log: its number (a link), its time, its coloured text. */

import { ChevronDown, ChevronRight } from "lucide-react";
import { memo } from "react";
import { useTranslation } from "react-i18next";
import { linePieces } from "../lib/ansi";
import { splitStamp } from "./lines";
import type { LogRow } from "./lines";
import css from "./LogView.module.css";

interface LogLineProps {
  row: LogRow;
  times: boolean;
  folded: boolean;
  marked: boolean;
  hit: boolean;
  current: boolean;
  onMark: (n: number, extend: boolean) => void;
  onFold: (n: number) => void;
}

// A line never changes once it is there; only what surrounds it does.
export const LogLineView = memo(LogLine, (a, b) => a.row.line === b.row.line && a.times === b.times && a.folded === b.folded && a.marked === b.marked && a.hit === b.hit && a.current === b.current);

function LogLine({ row, times, folded, marked, hit, current, onMark, onFold }: LogLineProps) {
  const { t } = useTranslation();
  const { line, group } = row;
  const { stamp, rest } = splitStamp(line.text);
  return (
    <div className={css.line} data-marked={marked} data-hit={hit} data-current={current}>
      <a
        className={css.number}
        href={`#L${line.n}`}
        tabIndex={-1}
        aria-label={t("log.line", { n: line.n })}
        onClick={(event) => {
          event.preventDefault();
          onMark(line.n, event.shiftKey);
        }}
      >
        {line.n}
      </a>
      {group === null ? (
        <span className={css.text}>
          {times && stamp !== "" ? <span className={css.stamp}>{stamp} </span> : null}
          {linePieces(rest, line.carry).map((piece, i) => (
            // oxlint-disable-next-line react/no-array-index-key -- pieces have no other identity, and never move
            <span key={i} className={piece.className || undefined} style={{ color: piece.colour, background: piece.background }}>
              {piece.text}
            </span>
          ))}
        </span>
      ) : (
        <button type="button" className={css.group} aria-expanded={!folded} onClick={() => onFold(line.n)}>
          {folded ? <ChevronRight aria-hidden="true" /> : <ChevronDown aria-hidden="true" />}
          {group}
        </button>
      )}
    </div>
  );
}
