/** Log text → lines of styled pieces. Colours come out as data for React spans, never as HTML. */

import Anser from "anser";

export interface LogPiece {
  text: string;
  className: string;
  colour?: string;
  background?: string;
}

const ESC = String.fromCharCode(27);
const BEL = String.fromCharCode(7);
const SGR = new RegExp(`${ESC}\\[([0-9;]*)m`, "g");
// Operating-system commands (titles, links) and every control sequence that is not a colour.
const OSC = new RegExp(`${ESC}\\][^${BEL}${ESC}]*(?:${BEL}|${ESC}\\\\)`, "g");
const NOT_SGR = new RegExp(`${ESC}\\[[0-9;?]*[A-LN-Za-ln-z]`, "g");
const MAX_CARRY_CHARS = 200;

/** What a terminal would show of a line: the text after the last carriage return, without cursor moves. */
export function visibleLine(line: string): string {
  const trimmed = line.endsWith("\r") ? line.slice(0, -1) : line;
  const shown = trimmed.includes("\r") ? trimmed.slice(trimmed.lastIndexOf("\r") + 1) : trimmed;
  return shown.includes(ESC) ? shown.replace(OSC, "").replace(NOT_SGR, "") : shown;
}

/** The colour sequences still open after `line`, given those open before it. */
export function carryAfter(carry: string, line: string): string {
  if (!line.includes(ESC)) return carry;
  let open = carry;
  for (const found of line.matchAll(SGR)) {
    const codes = found[1] ?? "";
    open = codes === "" || codes === "0" ? "" : open + found[0];
  }
  return open.length > MAX_CARRY_CHARS ? "" : open;
}

function colourOf(name: string | undefined, truecolour: string | undefined): { className: string; colour?: string } {
  if (!name) return { className: "" };
  if (name === "ansi-truecolor") return { className: "", colour: `rgb(${truecolour ?? "200,200,200"})` };
  const palette = /^ansi-palette-(\d+)$/.exec(name);
  if (palette) return { className: "", colour: paletteColour(Number(palette[1])) };
  return { className: name };
}

/** The 6×6×6 cube and the grey ramp of the 256-colour palette. */
export function paletteColour(index: number): string {
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return `rgb(${grey},${grey},${grey})`;
  }
  const level = (n: number) => (n === 0 ? 0 : 55 + n * 40);
  const cube = Math.max(0, index - 16);
  return `rgb(${level(Math.floor(cube / 36))},${level(Math.floor(cube / 6) % 6)},${level(cube % 6)})`;
}

/** One line in pieces; `carry` is what earlier lines left open. */
export function linePieces(line: string, carry = ""): LogPiece[] {
  const text = visibleLine(line);
  if (carry === "" && !text.includes(ESC)) return text === "" ? [] : [{ text, className: "" }];
  const entries = Anser.ansiToJson(carry + text, { json: true, use_classes: true, remove_empty: true });
  return entries.map((entry) => {
    const front = colourOf(entry.fg, entry.fg_truecolor);
    const back = colourOf(entry.bg, entry.bg_truecolor);
    const classes = [front.className, back.className && `${back.className}-bg`, ...entry.decorations.map((name) => `ansi-${name}`)];
    const piece: LogPiece = { text: entry.content, className: classes.filter(Boolean).join(" ") };
    if (front.colour) piece.colour = front.colour;
    if (back.colour) piece.background = back.colour;
    return piece;
  });
}
