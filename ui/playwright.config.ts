import { defineConfig } from "@playwright/test";

// Without MILLRACE_URL the tests bring up the mock and use it; the token and the ids are the mock's then.
const port = process.env.MILLRACE_MOCK_PORT ?? "4174";
const real = process.env.MILLRACE_URL;
const secs = Number(process.env.MILLRACE_TIMEOUT_SECS ?? 60);

export default defineConfig({
  testDir: "e2e",
  outputDir: "test-results",
  fullyParallel: false,
  workers: 1,
  retries: 0,
  forbidOnly: true,
  reporter: "list",
  timeout: secs * 1000,
  expect: { timeout: 10_000 },
  // Against a real server only the test that expects nothing of its data is run.
  ...(real ? { testMatch: "ct.spec.ts" } : {}),
  use: {
    baseURL: real ?? `http://127.0.0.1:${port}`,
    locale: "en-US",
    viewport: { width: 1440, height: 900 },
    screenshot: "only-on-failure",
    trace: "off",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  ...(real
    ? {}
    : {
        webServer: {
          command: `node mock/server.mjs --port ${port}`,
          url: `http://127.0.0.1:${port}/favicon.svg`,
          env: { MOCK_QUIET: "1", MOCK_SPEED: "3" },
          reuseExistingServer: false,
        },
      }),
});
