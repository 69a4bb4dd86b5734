import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, test } from "./base";

const DAG = "credit_score_classification_cd";
const SCREENS: [string, string][] = [
  ["list", "/dags"],
  ["trigger form", "/dags?trigger=credit_score_classification_ct"],
  ["grid", `/dags/${DAG}`],
  ["graph", `/dags/${DAG}?view=graph`],
  ["backfills", `/dags/${DAG}?view=backfills`],
  ["new backfill", `/dags/${DAG}?view=backfills&new=backfill`],
  ["code", `/dags/${DAG}?view=code`],
  ["assets", "/assets"],
  ["variables", "/admin/variables"],
  ["connections", "/admin/connections"],
  ["pools", "/admin/pools"],
];

async function serious(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations
    .filter((each) => each.impact === "serious" || each.impact === "critical")
    .map((each) => `${each.id}: ${each.nodes.map((node) => node.target.join(" ")).join(", ")}`);
}

for (const [theme, language] of [["light", "en"], ["dark", "ko"]] as const) {
  test(`no serious accessibility problem on any screen, ${theme}, ${language}`, async ({ app: page }) => {
    // Twelve screens, each read whole.
    test.setTimeout(300_000);
    await page.evaluate((prefs) => localStorage.setItem("millrace.prefs", JSON.stringify(prefs)), { theme, language, zone: "utc" });
    const found: Record<string, string[]> = {};
    const check = async (name: string) => {
      const problems = await serious(page);
      if (problems.length > 0) found[name] = problems;
    };
    for (const [name, address] of SCREENS) {
      await page.goto(address);
      await expect(page.locator("main h1").first()).toBeAttached();
      await expect(page.getByText(/^(Loading…|불러오는 중…)$/)).toHaveCount(0);
      await check(name);
    }
    await page.goto(`/dags/${DAG}?view=graph`);
    const task = page.getByRole("link", { name: /^deploy\s*docker/ });
    await task.focus();
    await page.keyboard.press("Enter");
    await expect(page.getByRole("log")).toBeVisible();
    await check("task");
    await page.goto(new URL(page.url()).pathname.replace(/\/tasks\/.*/, ""));
    await expect(page.locator("tr[data-task]").first()).toBeVisible();
    await check("run");
    expect(found).toEqual({});
  });
}
