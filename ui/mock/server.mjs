// A make-believe Millrace for working on the dashboard and for its own tests: no dependencies, nothing kept.
// Usage: node mock/server.mjs [--port 8080] [--dist dist]; token "mock-token", user admin, password admin.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { answer } from "./api.mjs";
import { lastEventId, listen, start } from "./sim.mjs";

const option = (name, fallback) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : fallback);
const PORT = Number(option("--port", process.env.MOCK_PORT ?? 8080));
const DIST = option("--dist", new URL("../dist", import.meta.url).pathname);
const TOKEN = process.env.MOCK_TOKEN ?? "mock-token";
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
// What the real server sends, so that a breach shows here first.
const CSP = "default-src 'self'; script-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

function json(response, status, body) {
  response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  response.end(body === null ? "" : JSON.stringify(body));
}

function file(response, path) {
  let target = join(DIST, normalize(path));
  if (!existsSync(target) || statSync(target).isDirectory()) {
    // Not "has a dot": the addresses of screens hold run ids, and those end in fractions of a second.
    if (path.startsWith("/assets/")) return json(response, 404, { detail: "no such file" });
    target = join(DIST, "index.html");
  }
  response.writeHead(200, { "Content-Type": TYPES[extname(target)] ?? "application/octet-stream", "Content-Security-Policy": CSP, "Cache-Control": "no-cache" });
  createReadStream(target).pipe(response);
}

function events(request, response, params) {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  const send = (event) => response.write(`id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`);
  send({ id: lastEventId(), kind: "hello" });
  const stop = listen(send, params.has("since") ? Number(params.get("since")) : null);
  const beat = setInterval(() => response.write(": still here\n\n"), 15_000);
  request.on("close", () => {
    stop();
    clearInterval(beat);
  });
}

async function readBody(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const text = Buffer.concat(pieces).toString();
  return text === "" ? null : JSON.parse(text);
}

async function handle(request, response) {
  const url = new URL(request.url, "http://mock");
  if (url.pathname === "/auth/token") {
    const body = await readBody(request);
    const right = body?.username === "admin" && body?.password === "admin";
    return json(response, right ? 201 : 401, right ? { access_token: TOKEN } : { detail: "Invalid credentials" });
  }
  if (!url.pathname.startsWith("/api/")) return file(response, url.pathname);
  if (request.headers.authorization !== `Bearer ${TOKEN}`) return json(response, 401, { detail: "Not authenticated" });
  if (url.pathname === "/api/v1/events") return events(request, response, url.searchParams);
  const { status, body } = answer(request.method, url.pathname, url.searchParams, await readBody(request));
  return json(response, status, body);
}

start();
createServer((request, response) => {
  handle(request, response).catch((error) => json(response, 500, { detail: error.message }));
}).listen(PORT, "127.0.0.1", () => console.log(`mock on http://127.0.0.1:${PORT}/login#token=${TOKEN}`));
