/** What all browser tests share: a logged-in page on which any error, of the console or of the CSP, fails the test. */

import { test as plain, expect } from "@playwright/test";
import type { Page } from "@playwright/test";

export const TOKEN = process.env.MILLRACE_TOKEN ?? "mock-token";

export const test = plain.extend<{ problems: string[]; app: Page }>({
  problems: async ({ page: _page }, provide) => provide([]),
  app: async ({ page, problems }, provide) => {
    page.on("pageerror", (error) => problems.push(`page: ${error.message}`));
    page.on("console", (message) => {
      const text = message.text();
      // A refused or interrupted request is part of some tests, and is shown to the reader by the page itself.
      if (message.type() === "error" && !text.startsWith("Failed to load resource")) problems.push(`console: ${text}`);
    });
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
    });
    await page.goto(`/login#token=${TOKEN}`);
    await expect(page).toHaveURL(/\/dags$/);
    await provide(page);
    expect(problems).toEqual([]);
  },
});

export { expect };

/** The row of a DAG in the list. */
export function dagRow(page: Page, dag: string) {
  return page.getByRole("row").filter({ has: page.getByRole("link", { name: dag, exact: true }) });
}
