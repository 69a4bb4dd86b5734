import type { Page } from "@playwright/test";
import { dagRow, expect, test } from "./base";

const FAILING = "nightly_warehouse_load_with_a_rather_long_name_to_test_truncation";

async function trigger(page: Page, dag: string): Promise<void> {
  await page.goto(`/dags/${dag}?trigger=${dag}`);
  await page.getByRole("dialog").getByRole("button", { name: "Trigger", exact: true }).click();
  await expect(page).toHaveURL(/\/runs\//);
}

test("the form follows the schema, agrees with its JSON, and shows the server's errors at their fields", async ({ app: page }) => {
  const dag = "credit_score_classification_ct";
  await dagRow(page, dag).getByRole("button", { name: `Trigger ${dag}` }).click();
  const dialog = page.getByRole("dialog");
  const submit = dialog.getByRole("button", { name: "Trigger", exact: true });
  await expect(dialog.getByLabel("Model*")).toHaveValue("0");
  await dialog.getByLabel("max_depth*").fill("13");
  await submit.click();
  await expect(dialog.getByText("At most 12.")).toBeVisible();
  await dialog.getByLabel("max_depth*").fill("4");
  await dialog.getByLabel("base_dt").fill("2026-11-19");
  await dialog.getByLabel("comment").fill("forbidden word");
  await dialog.getByLabel("grid").fill('{"depth": "4"}');
  await dialog.getByLabel("balanced").click();

  await dialog.getByRole("button", { name: "JSON" }).click();
  const json = dialog.getByLabel("Params as JSON");
  expect(JSON.parse(await json.inputValue())).toMatchObject({ max_depth: 4, base_dt: "2026-11-19", balanced: false, grid: { depth: "4" } });
  await json.fill((await json.inputValue()).replace('"max_depth": 4', '"max_depth": 5'));
  await dialog.getByRole("button", { name: "Form" }).click();
  await expect(dialog.getByLabel("max_depth*")).toHaveValue("5");

  await submit.click();
  await expect(dialog.getByText('the word "forbidden" is not allowed here')).toBeVisible();
  await expect(dialog.getByText('depth: "4" is not of type array')).toBeVisible();
  await expect(dialog.getByLabel("comment")).toHaveAttribute("aria-invalid", "true");
  await dialog.getByLabel("comment").fill("fine");
  await dialog.getByLabel("grid").fill('{"depth": [4]}');
  await dialog.getByText("Run options").click();
  await dialog.getByLabel("Run id").fill("by-hand");
  await submit.click();
  await expect(page).toHaveURL(/\/runs\/by-hand$/);
  await page.getByRole("link", { name: "Details" }).click();
  await expect(page.getByText('"comment": "fine"')).toBeVisible();
});

test("a failed run leads to its log, and clearing previews what runs again", async ({ app: page }) => {
  await trigger(page, FAILING);
  await expect(page.getByText("First failure: check_totals")).toBeVisible({ timeout: 20_000 });
  await expect(page.locator("tr[data-task=cleanup]")).toHaveAttribute("data-state", "success");
  await page.getByRole("button", { name: "Clear", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByText("2 tasks will run again")).toBeVisible();
  await dialog.getByRole("checkbox", { name: "Only failed tasks" }).uncheck();
  await expect(dialog.getByText("7 tasks will run again")).toBeVisible();
  await dialog.getByRole("checkbox", { name: "Only failed tasks" }).check();
  await expect(dialog.getByText("2 tasks will run again")).toBeVisible();
  await dialog.getByRole("button", { name: "Clear", exact: true }).click();
  await expect(page.getByText("2 tasks cleared")).toBeVisible();
  await expect(page.locator("tr[data-task=check_totals]")).not.toHaveAttribute("data-state", "failed");
  await expect(page.locator("tr[data-task=check_totals]")).toHaveAttribute("data-state", "failed", { timeout: 20_000 });
  await page.getByRole("link", { name: "Open its log" }).click();
  await expect(page.getByRole("log")).toContainText("totals differ by 14.20");
});

test("marking asks first, then shows", async ({ app: page }) => {
  await trigger(page, FAILING);
  await expect(page.locator("tr[data-task=check_totals]")).toHaveAttribute("data-state", "failed", { timeout: 20_000 });
  await page.locator("tr[data-task=check_totals]").getByRole("link").click();
  await page.getByRole("button", { name: "Mark success" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Mark success" }).click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(page.locator("main header [data-state=success]").first()).toBeVisible();
});

test("the same conf is offered again", async ({ app: page }) => {
  await page.goto("/dags?trigger=simple_dag");
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "JSON" }).click();
  await dialog.getByLabel("Params as JSON").fill('{"day": "2026-11-20"}');
  await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
  await page.getByRole("button", { name: "Trigger again" }).click();
  await expect(dialog.getByText("Params without a field: day")).toBeVisible();
});

test("the log: colours, groups, find, permalink, tries", async ({ app: page }) => {
  await trigger(page, FAILING);
  await expect(page.locator("tr[data-task=load_invoices]")).toHaveAttribute("data-state", "success", { timeout: 20_000 });
  await page.locator("tr[data-task=load_invoices]").getByRole("link").click();
  const log = page.getByRole("log");
  await expect(log.getByText("exit code 0")).toBeVisible();
  await expect(log.locator(".ansi-yellow").first()).toHaveText("WARN");
  await expect(log.getByText("<script>alert('not run')</script>")).toBeVisible();
  await page.getByRole("searchbox", { name: "Find in the log" }).fill("batch 03");
  await expect(page.getByText("1 line", { exact: true })).toBeVisible();
  await expect(log.locator("[data-current=true]")).toContainText("batch 03/40");
  await log.getByRole("link", { name: "Link to line 8" }).click();
  await expect(page).toHaveURL(/#L8$/);
  await log.press("Home");
  await log.getByRole("button", { name: "Rendered" }).click();
  await expect(log.getByText("command: python")).toHaveCount(0);
  await page.reload();
  await expect(log.locator("[data-marked=true]")).toContainText("batch 03/40");
  await page.getByLabel("Try", { exact: true }).selectOption("1");
  await expect(log.getByText("totals differ by 14.20")).toBeVisible();
});

test("a running log follows to its end", async ({ app: page }) => {
  await page.goto("/dags/credit_score_classification_ct");
  const on = page.getByRole("switch");
  if ((await on.getAttribute("aria-checked")) === "false") await on.click();
  await trigger(page, "credit_score_classification_ct");
  await page.locator("tr[data-task=train]").getByRole("link").click();
  await expect(page.getByText("This task has not started yet, so there are no logs.").or(page.getByRole("log"))).toBeVisible();
  await expect(page.getByRole("log")).toContainText("exit code 0", { timeout: 20_000 });
});

test("a skipped task says so, and why", async ({ app: page }) => {
  await trigger(page, "credit_score_classification_cd");
  await expect(page.locator("tr[data-task=keep_old_model]")).toHaveAttribute("data-state", "skipped", { timeout: 20_000 });
  await page.locator("tr[data-task=keep_old_model]").getByRole("link").click();
  await expect(page.getByText("This task was skipped, so there are no logs.")).toBeVisible();
  await page.getByRole("button", { name: "Why has it not run?" }).click();
  await expect(page.getByRole("heading", { name: "Why has it not run?" })).toBeVisible();
});

test("rendered fields and XCom", async ({ app: page }) => {
  await trigger(page, "simple_dag");
  await expect(page.locator("tr[data-task=hello]")).toHaveAttribute("data-state", "success", { timeout: 20_000 });
  await page.locator("tr[data-task=hello]").getByRole("link").click();
  await page.getByRole("link", { name: "Rendered" }).click();
  await expect(page.getByText("--base_dt 2026-11-19")).toBeVisible();
  await page.getByRole("link", { name: "XCom" }).click();
  await expect(page.getByText('"accuracy": 0.912')).toBeVisible();
});
