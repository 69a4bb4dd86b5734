/**
 * The main job in a real browser: switch a DAG on, trigger it through the form, watch every task turn green without a
 * reload, read a log. Runs against any server: MILLRACE_URL, MILLRACE_TOKEN, MILLRACE_DAG, MILLRACE_CONF (JSON, over the
 * form's values), MILLRACE_LOGICAL_DATE (as the form shows it, UTC), MILLRACE_TIMEOUT_SECS.
 */

import { dagRow, expect, test } from "./base";

const DAG = process.env.MILLRACE_DAG ?? "credit_score_classification_ct";
const CONF = process.env.MILLRACE_CONF;
const LOGICAL_DATE = process.env.MILLRACE_LOGICAL_DATE;
const TIMEOUT_MILLIS = Number(process.env.MILLRACE_TIMEOUT_SECS ?? 60) * 1000;

test(`${DAG} is triggered and turns green`, async ({ app: page }) => {
  await page.getByRole("searchbox", { name: "Search by name" }).fill(DAG);
  const row = dagRow(page, DAG);
  const on = row.getByRole("switch");
  await expect(on).toBeVisible();
  if ((await on.getAttribute("aria-checked")) === "false") await on.click();
  await expect(on).toHaveAttribute("aria-checked", "true");

  await row.getByRole("button", { name: `Trigger ${DAG}` }).click();
  const dialog = page.getByRole("dialog");
  if (CONF !== undefined) {
    await dialog.getByRole("button", { name: "JSON" }).click();
    const json = dialog.getByRole("textbox", { name: "Params as JSON" });
    const values = JSON.parse(await json.inputValue()) as Record<string, unknown>;
    await json.fill(JSON.stringify({ ...values, ...(JSON.parse(CONF) as Record<string, unknown>) }));
  }
  if (LOGICAL_DATE !== undefined) {
    await dialog.getByText("Run options").click();
    await dialog.locator("input[name=logical_date]").fill(LOGICAL_DATE);
  }
  await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
  await expect(page).toHaveURL(new RegExp(`/dags/${DAG}/runs/.+`));

  await page.evaluate(() => Object.assign(window, { notReloaded: true }));
  await expect(page.locator("[data-status=live]")).toBeVisible();
  const tasks = page.locator("tr[data-task]");
  await expect(tasks.first()).toBeVisible();
  const ended = new Set(["success", "failed", "upstream_failed", "skipped"]);
  await expect
    .poll(
      async () => {
        const states = await tasks.evaluateAll((rows) => rows.map((each) => each.getAttribute("data-state") ?? ""));
        if (states.includes("failed")) return ["failed"];
        return states.every((state) => ended.has(state)) ? [...new Set(states)] : [];
      },
      { timeout: TIMEOUT_MILLIS, intervals: [250] },
    )
    .not.toEqual([]);
  await expect(tasks.filter({ visible: true })).not.toHaveCount(0);
  expect(new Set(await tasks.evaluateAll((rows) => rows.map((each) => each.getAttribute("data-state"))))).toEqual(new Set(["success"]));
  await expect(page.getByRole("heading", { level: 1 }).locator("xpath=following-sibling::*[1]")).toHaveAttribute("data-state", "success");
  expect(await page.evaluate(() => "notReloaded" in window)).toBe(true);

  await tasks.last().getByRole("link").first().click();
  const log = page.getByRole("log");
  await expect(log).toBeVisible();
  await expect(log.locator("[data-index]").first()).toBeVisible();
  expect((await log.innerText()).trim()).not.toBe("");
});
