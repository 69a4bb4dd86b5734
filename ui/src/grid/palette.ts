/** State colours as the canvas needs them: CSS tokens resolved for the theme that shows. */

import { useEffect, useState } from "react";
import { GLYPHS, TASK_STATES } from "../lib/state";
import { useMediaQuery } from "../lib/hooks";
import { usePrefs } from "../lib/prefs";

export interface Palette {
  states: Record<string, string>;
  onState: string;
  line: string;
  text: string;
  hover: string;
  focus: string;
  surface: string;
}

const TOKENS = { onState: "--on-state", line: "--line", text: "--text-3", hover: "--hover", focus: "--accent", surface: "--surface" } as const;

/** `light-dark()` only resolves on an element, so a hidden probe is asked. */
function readPalette(): Palette {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const resolve = (token: string) => {
    probe.style.color = `var(${token})`;
    return getComputedStyle(probe).color;
  };
  const states = Object.fromEntries([...TASK_STATES, "none"].map((state) => [state, resolve(`--state-${state}`)]));
  const rest = Object.fromEntries(Object.entries(TOKENS).map(([name, token]) => [name, resolve(token)]));
  probe.remove();
  return { states, ...rest } as Palette;
}

/** The palette of the current theme; a new object when the theme changes. */
export function usePalette(): Palette {
  const { theme } = usePrefs();
  const dark = useMediaQuery("(prefers-color-scheme: dark)");
  const [palette, setPalette] = useState(readPalette);
  useEffect(() => setPalette(readPalette()), [theme, dark]);
  return palette;
}

let paths: Record<string, Path2D> | null = null;

/** The state glyphs as canvas paths, made once. */
export function glyphPaths(): Record<string, Path2D> {
  paths ??= Object.fromEntries(Object.entries(GLYPHS).map(([state, d]) => [state, new Path2D(d)]));
  return paths;
}
