/** Draws the visible part of the grid. Only what is in view is touched, so cost follows the window, not the history. */

import type { GridRun } from "../api/types";
import type { GridCells } from "../lib/cells";
import { stateKey } from "../lib/state";
import { elapsedSecs } from "../lib/time";
import { BAR_MAX, BOX, CELL_H, CELL_W, HEAD_H, barHeight } from "./geometry";
import type { Spot } from "./geometry";
import { glyphPaths } from "./palette";
import type { Palette } from "./palette";

export interface Scene {
  runs: GridRun[];
  tasks: number;
  cells: GridCells;
  palette: Palette;
  longestSecs: number;
  nowMillis: number;
  /** Day labels under the bars: column → text. */
  days: Map<number, string>;
  hover: Spot | null;
  focus: Spot | null;
}

interface View {
  left: number;
  top: number;
  width: number;
  height: number;
}

export function drawGrid(canvas: HTMLCanvasElement, scene: Scene, view: View): void {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  canvas.style.width = `${view.width}px`;
  canvas.style.height = `${view.height}px`;
  const ctx = canvas.getContext("2d");
  if (!ctx) return;
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, view.width, view.height);
  const firstRun = Math.max(0, Math.floor(view.left / CELL_W));
  const lastRun = Math.min(scene.runs.length - 1, Math.floor((view.left + view.width) / CELL_W));
  drawCrosshair(ctx, scene, view);
  drawCells(ctx, scene, view, firstRun, lastRun);
  drawHead(ctx, scene, view, firstRun, lastRun);
  drawFocus(ctx, scene, view);
}

function drawCrosshair(ctx: CanvasRenderingContext2D, scene: Scene, view: View): void {
  if (!scene.hover) return;
  ctx.fillStyle = scene.palette.hover;
  ctx.fillRect(scene.hover.run * CELL_W - view.left, 0, CELL_W, view.height);
  if (scene.hover.task >= 0) ctx.fillRect(0, HEAD_H + scene.hover.task * CELL_H - view.top, view.width, CELL_H);
}

function drawCells(ctx: CanvasRenderingContext2D, scene: Scene, view: View, firstRun: number, lastRun: number): void {
  const firstTask = Math.max(0, Math.floor(view.top / CELL_H));
  const lastTask = Math.min(scene.tasks - 1, Math.floor((view.top + view.height - HEAD_H) / CELL_H));
  ctx.save();
  ctx.beginPath();
  ctx.rect(0, HEAD_H, view.width, view.height - HEAD_H);
  ctx.clip();
  for (let run = firstRun; run <= lastRun; run += 1) {
    const x = run * CELL_W - view.left + (CELL_W - BOX) / 2;
    for (let task = firstTask; task <= lastTask; task += 1) {
      const y = HEAD_H + task * CELL_H - view.top + (CELL_H - BOX) / 2;
      drawBox(ctx, scene.palette, stateKey(scene.cells.at(run, task)), x, y);
    }
  }
  ctx.restore();
}

function drawBox(ctx: CanvasRenderingContext2D, palette: Palette, state: string, x: number, y: number): void {
  if (state === "none") {
    ctx.strokeStyle = palette.line;
    ctx.lineWidth = 1;
    ctx.strokeRect(x + 2.5, y + 2.5, BOX - 5, BOX - 5);
    return;
  }
  ctx.fillStyle = palette.states[state] ?? palette.line;
  ctx.beginPath();
  ctx.roundRect(x, y, BOX, BOX, 4);
  ctx.fill();
  drawGlyph(ctx, palette, state, x + 1, y + 1);
}

function drawGlyph(ctx: CanvasRenderingContext2D, palette: Palette, state: string, x: number, y: number): void {
  const path = glyphPaths()[state];
  if (!path) return;
  ctx.save();
  ctx.translate(x, y);
  ctx.strokeStyle = palette.onState;
  ctx.fillStyle = palette.onState;
  ctx.lineWidth = 1.9;
  ctx.lineCap = "round";
  ctx.lineJoin = "round";
  if (state === "running") ctx.fill(path);
  ctx.stroke(path);
  ctx.restore();
}

function drawHead(ctx: CanvasRenderingContext2D, scene: Scene, view: View, firstRun: number, lastRun: number): void {
  ctx.font = `11px ${getComputedStyle(ctx.canvas).fontFamily}`;
  ctx.textBaseline = "alphabetic";
  for (let run = firstRun; run <= lastRun; run += 1) {
    const each = scene.runs[run];
    if (!each) continue;
    const x = run * CELL_W - view.left;
    const height = barHeight(elapsedSecs(each.start_date, each.end_date, scene.nowMillis), scene.longestSecs);
    const state = stateKey(each.state);
    ctx.fillStyle = scene.palette.states[state] ?? scene.palette.line;
    ctx.beginPath();
    ctx.roundRect(x + 2, BAR_MAX + 6 - height, BOX, height, [4, 4, 0, 0]);
    ctx.fill();
    drawGlyph(ctx, scene.palette, state, x + 3, BAR_MAX + 6 - 17);
  }
  drawDays(ctx, scene, view, firstRun, lastRun);
  ctx.fillStyle = scene.palette.line;
  ctx.fillRect(0, HEAD_H - 5, view.width, 1);
}

/** Labels where the day changes, the first one held at the left edge; one that would run into its neighbour is left out. */
function drawDays(ctx: CanvasRenderingContext2D, scene: Scene, view: View, firstRun: number, lastRun: number): void {
  let freeFrom = -Infinity;
  const begun = Math.max(0, ...[...scene.days.keys()].filter((run) => run <= firstRun));
  for (let run = begun; run <= lastRun; run += 1) {
    const label = scene.days.get(run);
    const x = Math.max(0, run * CELL_W - view.left);
    if (label === undefined || x < freeFrom) continue;
    ctx.fillStyle = scene.palette.line;
    ctx.fillRect(x, BAR_MAX + 6, 1, 22);
    ctx.fillStyle = scene.palette.text;
    ctx.fillText(label, x + 4, BAR_MAX + 20);
    freeFrom = x + ctx.measureText(label).width + 12;
  }
}

function drawFocus(ctx: CanvasRenderingContext2D, scene: Scene, view: View): void {
  if (!scene.focus) return;
  const { run, task } = scene.focus;
  const x = run * CELL_W - view.left;
  const y = task < 0 ? 1 : HEAD_H + task * CELL_H - view.top;
  if (task >= 0 && y < HEAD_H - CELL_H / 2) return;
  ctx.strokeStyle = scene.palette.focus;
  ctx.lineWidth = 2;
  ctx.beginPath();
  ctx.roundRect(x + 1, y + 2, CELL_W - 2, task < 0 ? BAR_MAX + 6 : CELL_H - 4, 5);
  ctx.stroke();
}
