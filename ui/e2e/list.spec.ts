import { TOKEN, dagRow, expect, test } from "./base";

test("a printed link logs in and leaves no token behind", async ({ app: page }) => {
  expect(page.url()).not.toContain("token");
  expect(await page.evaluate(() => JSON.stringify(Object.entries(localStorage)))).not.toContain(TOKEN);
});

test("logs in with a pasted token or a password, and says what is wrong", async ({ page }) => {
  await page.goto("/dags/simple_dag?view=graph");
  await expect(page).toHaveURL(/\/login\?next=/);
  await page.getByLabel("Token").fill("wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("alert")).toHaveText("The server refused this token.");
  await page.getByRole("button", { name: "With a password" }).click();
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password", { exact: true }).fill("nope");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("alert")).toHaveText("Invalid credentials");
  await page.getByLabel("Password", { exact: true }).fill("admin");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page).toHaveURL(/\/dags\/simple_dag\?view=graph/);
});

test("search and filters are in the address and survive a reload", async ({ app: page }) => {
  await page.getByRole("searchbox").fill("credit");
  await expect(page).toHaveURL(/q=credit/);
  await expect(page.getByRole("row")).toHaveCount(3);
  await page.getByLabel("Tag", { exact: true }).selectOption("deploy");
  await expect(page.getByRole("row")).toHaveCount(2);
  await page.reload();
  await expect(page.getByRole("searchbox")).toHaveValue("credit");
  await expect(page.getByRole("row")).toHaveCount(2);
  await page.getByRole("searchbox").fill("no such dag");
  await page.getByRole("button", { name: "Clear the filters" }).click();
  await expect(page.getByText("27 DAGs")).toBeVisible();
  await expect(page.getByRole("searchbox")).toHaveValue("");
});

test("import errors show file, line and message", async ({ app: page }) => {
  await expect(page.getByText("2 DAG files cannot be read")).toBeVisible();
  await expect(page.getByText("line 12")).toBeVisible();
  await expect(page.getByText('unknown key "retires"; did you mean "retries"?', { exact: true })).toBeVisible();
});

test("pausing shows at once and can be undone", async ({ app: page }) => {
  const on = dagRow(page, "simple_dag").getByRole("switch");
  await on.click();
  await expect(on).toHaveAttribute("aria-checked", "false");
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(on).toHaveAttribute("aria-checked", "true");
});

test("language and theme change and stay", async ({ app: page }) => {
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("menuitemradio", { name: "한국어" }).click();
  await page.getByRole("menuitemradio", { name: "어둡게" }).click();
  await page.keyboard.press("Escape");
  await expect(page.getByText("DAG 27개")).toBeVisible();
  await page.reload();
  await expect(page.getByText("DAG 27개")).toBeVisible();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await expect(page.locator("html")).toHaveAttribute("lang", "ko");
});

test("a reader without rights is told why a button is off", async ({ app: page }) => {
  await page.route("**/api/v1/whoami", (route) => route.fulfill({ json: { name: "ana", role: "viewer" } }));
  await page.reload();
  const button = dagRow(page, "simple_dag").getByRole("button", { name: "Trigger simple_dag" });
  await expect(button).toHaveAttribute("aria-disabled", "true");
  await button.hover();
  await expect(page.getByRole("tooltip")).toHaveText("Your role (viewer) may look but not change things.");
  // Playwright waits for a button to be on; a person does not.
  await button.click({ force: true });
  await expect(page.getByRole("dialog")).toHaveCount(0);
});

test("the first load keeps its budget", async ({ page }) => {
  const requests: string[] = [];
  page.on("request", (request) => requests.push(new URL(request.url()).pathname));
  await page.goto(`/login#token=${TOKEN}`);
  await expect(dagRow(page, "simple_dag")).toBeVisible();
  await expect(page.locator("[data-status=live]")).toBeVisible();
  expect(requests.length, requests.join("\n")).toBeLessThanOrEqual(8);
  const nodes = await page.evaluate(() => document.querySelectorAll("*").length);
  expect(nodes).toBeLessThanOrEqual(1500);
});
