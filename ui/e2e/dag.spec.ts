import { expect, test } from "./base";

test("the grid is walked by keys and tells where one is", async ({ app: page }) => {
  await page.goto("/dags/wide_pipeline");
  const grid = page.getByRole("grid");
  await grid.focus();
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await expect(page).toHaveURL(/run=.*&task=step_0_0/);
  await expect(page.locator("#grid-active-cell")).toHaveText(/^step_0_0, run .*, success$/);
  await expect(grid).toHaveAttribute("aria-activedescendant", "grid-active-cell");
  await expect(page.getByRole("complementary")).toContainText("step_0_0");
  await page.reload();
  await expect(page.locator("#grid-active-cell")).toHaveText(/^step_0_0, /);
  await grid.focus();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/tasks\/step_0_0$/);
  await page.goBack();
  await expect(page.getByRole("complementary")).toContainText("step_0_0");
});

test("the grid is painted in the colours of its states", async ({ app: page }) => {
  await page.goto("/dags/wide_pipeline?runs=90");
  const canvas = page.locator("canvas");
  await expect(canvas).toBeVisible();
  const colours = await canvas.evaluate((element: HTMLCanvasElement) => {
    const data = element.getContext("2d")!.getImageData(0, 0, element.width, element.height).data;
    const seen = new Set<string>();
    for (let i = 0; i < data.length; i += 4 * 7) seen.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
    return [...seen];
  });
  expect(colours).toContain("21,122,77");
  expect(await page.evaluate(() => document.querySelectorAll("*").length)).toBeLessThanOrEqual(600);
});

test("a click in the grid opens the panel; the run's bar too", async ({ app: page }) => {
  await page.goto("/dags/wide_pipeline");
  const grid = page.getByRole("grid");
  await grid.click({ position: { x: 30, y: 110 } });
  await expect(page.getByRole("complementary").getByRole("link", { name: "Open the task" })).toBeVisible();
  await grid.click({ position: { x: 30, y: 40 } });
  await page.getByRole("complementary").getByRole("link", { name: "Open the run" }).click();
  await expect(page).toHaveURL(/\/runs\/scheduled__/);
});

test("graph nodes are links with their state, reachable by Tab", async ({ app: page }) => {
  await page.goto("/dags/credit_score_classification_cd?view=graph");
  const node = page.getByRole("link", { name: /^deploy\s*docker/ });
  await expect(node).toBeVisible();
  await node.focus();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/tasks\/deploy$/);
});

test("the graph moves by drag without following a link, and zooms", async ({ app: page }) => {
  await page.goto("/dags/credit_score_classification_cd?view=graph");
  const node = page.getByRole("link", { name: /^deploy\s*docker/ });
  const before = (await node.boundingBox())!;
  await page.mouse.move(before.x + 20, before.y + 20);
  await page.mouse.down();
  await page.mouse.move(before.x + 80, before.y + 60, { steps: 4 });
  await page.mouse.up();
  const after = (await node.boundingBox())!;
  expect(Math.round(after.x - before.x)).toBe(60);
  await expect(page).toHaveURL(/view=graph/);
  await page.getByRole("button", { name: "Zoom in" }).click();
  expect((await node.boundingBox())!.width).toBeGreaterThan(after.width);
  await page.getByRole("button", { name: "Fit all" }).click();
});

test("code is shown with its lines", async ({ app: page }) => {
  await page.goto("/dags/simple_dag?view=code");
  await expect(page.getByText("dag_id", { exact: true })).toBeVisible();
  await expect(page.getByText("Version 3")).toBeVisible();
});

test("unknown addresses and DAGs", async ({ app: page }) => {
  await page.goto("/nowhere");
  await expect(page.getByRole("heading", { name: "There is no such page" })).toBeVisible();
  await page.goto("/dags/nope");
  await expect(page.getByRole("alert")).toContainText("The Dag with ID: `nope` was not found");
});
