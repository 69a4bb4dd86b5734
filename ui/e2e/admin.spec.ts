import { expect, test } from "./base";

test("a variable is made, changed and deleted", async ({ app: page }) => {
  await page.goto("/admin/variables");
  await page.getByRole("button", { name: "New variable" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Key*").fill("training_window");
  await dialog.getByRole("button", { name: "Create" }).click();
  await expect(dialog.getByRole("alert")).toContainText("already exists");
  await dialog.getByLabel("Key*").fill("colour");
  await dialog.getByLabel("Value").fill("blue");
  await dialog.getByRole("button", { name: "Create" }).click();
  await expect(page.getByRole("cell", { name: "blue" })).toBeVisible();
  await page.getByRole("button", { name: "Edit colour" }).click();
  await dialog.getByLabel("Value").fill("green");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("cell", { name: "green" })).toBeVisible();
  await page.getByRole("button", { name: "Delete colour" }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await expect(page.getByRole("cell", { name: "green" })).toHaveCount(0);
});

test("a connection's secret goes in and never comes back", async ({ app: page }) => {
  const bodies: string[] = [];
  const sent: string[] = [];
  page.on("request", (request) => sent.push(request.postData() ?? ""));
  page.on("response", async (response) => {
    if (response.url().includes("/connections")) bodies.push(await response.text().catch(() => ""));
  });
  await page.goto("/admin/connections");
  await page.getByRole("button", { name: "New connection" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Connection id*").fill("warehouse");
  await dialog.getByLabel("Type*").fill("postgres");
  await dialog.getByLabel("Password").fill("hunter2hunter2");
  await dialog.getByRole("button", { name: "Create" }).click();
  await expect(page.getByRole("cell", { name: "warehouse", exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Edit warehouse" }).click();
  await expect(dialog.getByLabel("Password")).toHaveValue("");
  await dialog.getByLabel("Host").fill("db.internal");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("cell", { name: "db.internal" })).toBeVisible();
  expect(bodies.join("\n")).not.toContain("hunter2");
  expect(sent.filter((body) => body.includes("hunter2"))).toHaveLength(1);
});

test("the default pool stays, and the button says so", async ({ app: page }) => {
  await page.goto("/admin/pools");
  const button = page.getByRole("button", { name: "Delete default_pool" });
  await expect(button).toHaveAttribute("aria-disabled", "true");
  await button.focus();
  await button.hover();
  await expect(page.getByRole("tooltip")).toHaveText("The default pool cannot be deleted.");
  await page.getByRole("button", { name: "Edit training" }).click();
  await page.getByRole("dialog").getByLabel("Slots*").fill("4");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("2 / 4")).toBeVisible();
});
