/** Instants and durations for people. Instants come from the API as RFC 3339 text; zones are the reader's choice. */

export type Zone = "local" | "utc";

export function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** `2026-11-20 15:04:05` in the zone asked for; seconds can be left out. */
export function formatInstant(text: string | null | undefined, zone: string, seconds = true): string {
  if (!text) return "";
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  const parts = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone,
    year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  }).formatToParts(date);
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? "";
  const clock = `${part("hour")}:${part("minute")}${seconds ? `:${part("second")}` : ""}`;
  return `${part("year")}-${part("month")}-${part("day")} ${clock}`;
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** "3 minutes ago", "in 2 hours", in the language asked for. */
export function formatRelative(text: string | null | undefined, nowMillis: number, language: string): string {
  if (!text) return "";
  const secs = (new Date(text).getTime() - nowMillis) / 1000;
  if (Number.isNaN(secs)) return "";
  const [unit, size] = STEPS.find(([, each]) => Math.abs(secs) >= each) ?? ["second", 1];
  return new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" }).format(Math.trunc(secs / size), unit);
}

const UNITS: Record<string, [string, string, string, string]> = {
  en: ["d", "h", "m", "s"],
  ko: ["일", "시간", "분", "초"],
};

/** The two largest units of a duration: `2h 05m`, `1m 09s`, `4.2s`. */
export function formatDuration(secs: number | null | undefined, language = "en"): string {
  if (secs === null || secs === undefined || !Number.isFinite(secs)) return "";
  const [d, h, m, s] = UNITS[language] ?? UNITS.en!;
  const whole = Math.max(0, secs);
  if (whole < 10) return `${whole.toFixed(1)}${s}`;
  if (whole < 60) return `${Math.floor(whole)}${s}`;
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)}${m} ${two(whole % 60)}${s}`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}${h} ${two((whole % 3600) / 60)}${m}`;
  return `${Math.floor(whole / 86_400)}${d} ${two((whole % 86_400) / 3600)}${h}`;
}

/** Seconds from `start` to `end`, or to now while it still runs. */
export function elapsedSecs(start: string | null | undefined, end: string | null | undefined, nowMillis: number): number | null {
  if (!start) return null;
  return Math.max(0, ((end ? new Date(end).getTime() : nowMillis) - new Date(start).getTime()) / 1000);
}

/** The value of a `datetime-local` field, read in a zone, as an RFC 3339 instant; null when it is not a date. */
export function instantFromInput(value: string, zone: Zone): string | null {
  if (value === "") return null;
  const date = new Date(zone === "utc" ? `${value}Z` : value);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
