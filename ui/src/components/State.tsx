/** A state as a glyph and as a badge: colour, shape and word together. */

import { useTranslation } from "react-i18next";
import { GLYPHS, stateColour, stateKey } from "../lib/state";
import type { StateName } from "../lib/state";
import css from "./State.module.css";

export function StateGlyph({ state, size = 16 }: { state: StateName; size?: number }) {
  const key = stateKey(state);
  return (
    <svg className={css.glyph} data-state={key} viewBox="0 0 16 16" width={size} height={size} aria-hidden="true" style={{ color: stateColour(state) }}>
      <rect className={css.plate} x="0.5" y="0.5" width="15" height="15" rx="4" />
      <path className={css.mark} d={GLYPHS[key]} />
    </svg>
  );
}

export function StateBadge({ state, quiet = false }: { state: StateName; quiet?: boolean }) {
  const { t } = useTranslation();
  const key = stateKey(state);
  return (
    <span className={quiet ? css.quiet : css.badge} data-state={key} style={{ color: stateColour(state) }}>
      <StateGlyph state={state} size={14} />
      <span className={css.word}>{t(`state.${key}`)}</span>
    </span>
  );
}
