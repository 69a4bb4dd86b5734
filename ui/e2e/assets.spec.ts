import { expect, test } from "./base";

test("a reported change starts what waits for it", async ({ app: page }) => {
  await page.goto("/assets");
  await expect(page.getByRole("cell", { name: "arrived" })).toBeVisible();
  await page.getByRole("button", { name: "Report a change of approval" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Extra (JSON)").fill("[1]");
  await dialog.getByRole("button", { name: "Report" }).click();
  await expect(dialog.getByRole("alert")).toContainText("JSON object");
  await dialog.getByLabel("Extra (JSON)").fill('{"by": "ann"}');
  await dialog.getByRole("button", { name: "Report" }).click();
  await expect(page.getByText("started: credit_score_classification_cd")).toBeVisible();
  await expect(page.getByRole("cell", { name: "by hand" })).toBeVisible();
});
