import { expect, test } from "./base";

test("without the stream the page polls, and says so; with it back, it is live", async ({ app: page }) => {
  await expect(page.locator("[data-status=live]")).toBeVisible();
  await page.route("**/api/v1/events*", (route) => route.abort());
  await page.reload();
  await expect(page.locator("[data-status=polling]")).toBeVisible();
  await page.waitForResponse((response) => response.url().includes("/api/v1/dags"), { timeout: 15_000 });
  await page.unroute("**/api/v1/events*");
  await expect(page.locator("[data-status=live]")).toBeVisible({ timeout: 30_000 });
});

test("a live page asks nothing while nothing happens, and nothing at all when hidden", async ({ app: page }) => {
  await page.goto("/admin/pools");
  await expect(page.locator("[data-status=live]")).toBeVisible();
  await expect(page.getByRole("table")).toBeVisible();
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await expect(page.locator("[data-status=hidden]")).toBeVisible();
  // Longer than the polling period, which is what must not happen.
  await page.clock.install();
  await page.clock.fastForward(30_000);
  expect(asked).toEqual([]);
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: false, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await expect(page.locator("[data-status=live]")).toBeVisible();
});

test("a token that is no longer valid leads to the login and back", async ({ app: page }) => {
  await page.goto("/dags/simple_dag");
  await expect(page.getByRole("grid")).toBeVisible();
  await page.route("**/api/**", (route) => route.fulfill({ status: 401, json: { detail: "Not authenticated" } }));
  await page.reload();
  await expect(page).toHaveURL(/\/login\?next=%2Fdags%2Fsimple_dag/);
});

test("a server that cannot be reached is named, and the page recovers", async ({ app: page }) => {
  await page.route("**/api/v2/variables*", (route) => route.abort());
  await page.goto("/admin/variables");
  await expect(page.getByRole("alert")).toContainText("The server cannot be reached.", { timeout: 20_000 });
  await page.unroute("**/api/v2/variables*");
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("table")).toBeVisible();
});
