/** Where things are in the grid: rows are tasks, columns runs, bars of the runs on top. Pure. */

export const CELL_W = 22;
export const CELL_H = 26;
export const BOX = 18;
export const HEAD_H = 92;
export const BAR_MAX = 58;
export const BAR_MIN = 18;

/** A place in the grid; row -1 is the run's own bar. */
export interface Spot {
  run: number;
  task: number;
}

export interface Size {
  runs: number;
  tasks: number;
}

/** What lies under a point of the whole (unscrolled) picture, or null. */
export function spotAt(x: number, y: number, size: Size): Spot | null {
  const run = Math.floor(x / CELL_W);
  const task = y < HEAD_H ? -1 : Math.floor((y - HEAD_H) / CELL_H);
  if (x < 0 || y < 0 || run >= size.runs || task >= size.tasks) return null;
  return { run, task };
}

/** Where a key leads; null for keys that do not move. */
export function moveSpot(spot: Spot, key: string, size: Size): Spot | null {
  const run = (n: number) => Math.min(size.runs - 1, Math.max(0, n));
  const task = (n: number) => Math.min(size.tasks - 1, Math.max(-1, n));
  switch (key) {
    case "ArrowLeft":
      return { ...spot, run: run(spot.run - 1) };
    case "ArrowRight":
      return { ...spot, run: run(spot.run + 1) };
    case "ArrowUp":
      return { ...spot, task: task(spot.task - 1) };
    case "ArrowDown":
      return { ...spot, task: task(spot.task + 1) };
    case "Home":
      return { ...spot, run: 0 };
    case "End":
      return { ...spot, run: size.runs - 1 };
    case "PageUp":
      return { ...spot, task: task(spot.task - 10) };
    case "PageDown":
      return { ...spot, task: task(spot.task + 10) };
    default:
      return null;
  }
}

/** Scroll offset that brings `[start, start + length)` into a window, moving as little as possible. */
export function scrollToShow(now: number, window: number, start: number, length: number, before = 0): number {
  if (start - before < now) return Math.max(0, start - before);
  if (start + length > now + window) return start + length - window;
  return now;
}

/** Height of a run's bar: the square root of its share of the longest run. */
export function barHeight(secs: number | null, longestSecs: number): number {
  if (secs === null || longestSecs <= 0) return BAR_MIN;
  return Math.round(BAR_MIN + (BAR_MAX - BAR_MIN) * Math.sqrt(Math.min(1, secs / longestSecs)));
}

/** A name cut in its middle to so many characters: both ends of a task id tell it apart. */
export function cutMiddle(text: string, max: number): string {
  if (text.length <= max) return text;
  const head = Math.ceil((max - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (max - 1 - head))}`;
}
