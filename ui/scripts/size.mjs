// Checks the built dashboard against its budgets: what index.html loads at once, and each lazy chunk.
// A file that nothing names statically is lazy.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const FIRST_LOAD_BUDGET_BYTES = 140 * 1024;
const LAZY_BUDGET_BYTES = 170 * 1024;
// index.html, favicon, whoami, dags, import errors and the event stream also count as requests.
const OTHER_REQUESTS = 4;
const REQUESTS_BUDGET = 8;

const dist = new URL("../dist/", import.meta.url).pathname;
const gzipBytes = (file) => gzipSync(readFileSync(join(dist, file)), { level: 9 }).length;
const html = readFileSync(join(dist, "index.html"), "utf8");
const named = [...html.matchAll(/(?:src|href)="\/([^"]+)"/g)].map((found) => found[1]);

/** Files that the given script imports statically, itself included. */
function closure(file, seen = new Set()) {
  if (seen.has(file)) return seen;
  seen.add(file);
  if (!file.endsWith(".js")) return seen;
  const text = readFileSync(join(dist, file), "utf8");
  for (const found of text.matchAll(/(?:from|import)\s*"\.\/([^"]+\.js)"/g)) closure(`assets/${found[1]}`, seen);
  return seen;
}

const first = new Set(["index.html"]);
for (const file of named) for (const each of closure(file)) first.add(each);
const all = readdirSync(join(dist, "assets")).map((name) => `assets/${name}`);
const firstBytes = [...first].reduce((sum, file) => sum + gzipBytes(file), 0);
const requests = first.size + OTHER_REQUESTS;
const problems = [];

for (const file of [...first, ...all.filter((each) => !first.has(each))].toSorted()) {
  const bytes = gzipBytes(file);
  const lazy = !first.has(file);
  console.log(`${(bytes / 1024).toFixed(1).padStart(8)} KB gzip  ${lazy ? "lazy " : "first"}  ${file}`);
  if (lazy && bytes > LAZY_BUDGET_BYTES) problems.push(`lazy chunk ${file} is over ${LAZY_BUDGET_BYTES} bytes`);
}
console.log(`${(firstBytes / 1024).toFixed(1).padStart(8)} KB gzip  first load, ${requests} requests`);
if (firstBytes > FIRST_LOAD_BUDGET_BYTES) problems.push(`first load is ${firstBytes} bytes; the budget is ${FIRST_LOAD_BUDGET_BYTES}`);
if (requests > REQUESTS_BUDGET) problems.push(`first load takes ${requests} requests; the budget is ${REQUESTS_BUDGET}`);
if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exit(1);
}
