// The DAGs of the mock server: enough kinds to exercise every screen.

const task = (operator, needs = [], more = {}) => ({ operator, needs, secs: 1.5, trigger_rule: "all_success", ...more });

const creditScore = {
  dag_id: "credit_score_classification_ct",
  description: "Continuous training of the credit score model",
  owner: "ml",
  tags: ["mlops", "credit", "training"],
  schedule: "0 15 * * *",
  schedule_words: "Every day at 15:00",
  timezone: "Asia/Seoul",
  everyMinutes: 1440,
  is_paused: true,
  tasks: {
    extract: task("sql", [], { secs: 1 }),
    preprocess: task("docker", ["extract"], { secs: 1.5 }),
    train: task("docker", ["preprocess"], { secs: 2.5 }),
  },
  params: {
    schema: {
      type: "object",
      required: ["model", "max_depth"],
      properties: {
        model: { type: "string", enum: ["catboost", "lightgbm", "logistic"], title: "Model", description: "Which estimator to fit." },
        max_depth: { type: "integer", minimum: 1, maximum: 12, description: "Depth of the trees." },
        learning_rate: { type: "number", minimum: 0.001, maximum: 1 },
        balanced: { type: "boolean", description: "Weight the classes by their frequency." },
        base_dt: { type: ["string", "null"], format: "date", description: "Day of the features; empty means the run's date." },
        comment: { type: "string", maxLength: 60 },
        grid: { type: "object", description: "Values to search, per hyperparameter." },
        features: { type: "array", items: { type: "string" } },
      },
    },
    defaults: { model: "catboost", max_depth: 6, learning_rate: 0.1, balanced: true, base_dt: null, comment: "", grid: { depth: [4, 6] }, features: ["age", "income"] },
  },
};

const deployment = {
  dag_id: "credit_score_classification_cd",
  description: "Deploys the newest model when the API is healthy and the model is newer",
  owner: "ml",
  tags: ["mlops", "credit", "deploy"],
  schedule: "30 * * * *",
  schedule_words: "At minute 30 of every hour",
  timezone: "Asia/Seoul",
  everyMinutes: 60,
  tasks: {
    check_api: task("http", [], { secs: 0.7 }),
    newest_model: task("sql", [], { secs: 0.9 }),
    should_deploy: task("branch", ["check_api", "newest_model"], { secs: 0.3, choose: ["deploy"], skip: ["keep_old_model"] }),
    deploy: task("docker", ["should_deploy"], { secs: 2 }),
    keep_old_model: task("empty", ["should_deploy"], { secs: 0.1 }),
    report: task("bash", ["deploy", "keep_old_model"], { secs: 0.5, trigger_rule: "none_failed_min_one_success" }),
  },
};

const simple = {
  dag_id: "simple_dag",
  description: null,
  owner: "examples",
  tags: ["example"],
  schedule: "*/5 * * * *",
  schedule_words: "Every 5 minutes",
  timezone: "UTC",
  everyMinutes: 5,
  tasks: { hello: task("bash", [], { secs: 0.8 }), world: task("bash", ["hello"], { secs: 0.8 }) },
};

const flaky = {
  dag_id: "nightly_warehouse_load_with_a_rather_long_name_to_test_truncation",
  description: "Loads the warehouse from eleven sources and checks the totals against the ledger of the day before",
  owner: "data-platform-team",
  tags: ["warehouse", "nightly", "finance", "sla", "very-long-tag-name-for-layout"],
  schedule: "10 2 * * 1-5",
  schedule_words: "At 02:10 on Monday, Tuesday, Wednesday, Thursday and Friday",
  timezone: "Europe/Berlin",
  everyMinutes: 1440,
  tasks: {
    start: task("empty", [], { secs: 0.1 }),
    load_orders: task("sql", ["start"], { secs: 1.2 }),
    load_invoices: task("sql", ["start"], { secs: 1.6, failTries: 1, retries: 2 }),
    load_customers_from_the_old_system_with_a_long_task_name: task("python", ["start"], { secs: 1 }),
    check_totals: task("python", ["load_orders", "load_invoices"], { secs: 0.8, failAlways: true, retries: 1 }),
    publish: task("bash", ["check_totals", "load_customers_from_the_old_system_with_a_long_task_name"], { secs: 0.6 }),
    cleanup: task("bash", ["publish"], { secs: 0.4, trigger_rule: "all_done" }),
  },
};

function wide() {
  const tasks = { begin: task("empty", [], { secs: 0.1 }) };
  for (let layer = 0; layer < 6; layer += 1) {
    for (let i = 0; i < 10; i += 1) {
      const needs = layer === 0 ? ["begin"] : [`step_${layer - 1}_${i}`, ...(i % 3 === 0 ? [`step_${layer - 1}_${(i + 1) % 10}`] : [])];
      tasks[`step_${layer}_${i}`] = task(i % 2 ? "docker" : "sql", needs, { secs: 0.4 });
    }
  }
  return { dag_id: "wide_pipeline", description: "61 tasks in seven layers", owner: "examples", tags: ["example", "large"], schedule: "@hourly", schedule_words: "Every hour", timezone: "UTC", everyMinutes: 60, tasks };
}

function small(i) {
  return {
    dag_id: `team_report_${String(i).padStart(2, "0")}`, description: i % 2 ? "A report by e-mail" : null, owner: ["ana", "bo", "chen"][i % 3], tags: [["reports"], ["reports", "mail"], []][i % 3],
    schedule: i % 4 === 3 ? null : "0 6 * * *", schedule_words: i % 4 === 3 ? null : "Every day at 06:00", timezone: "UTC", everyMinutes: 1440, is_paused: i % 5 === 4,
    tasks: { query: task("sql"), render: task("python", ["query"]), send: task("notify", ["render"]) },
  };
}

export const DAGS = [creditScore, deployment, simple, flaky, wide(), ...Array.from({ length: Number(process.env.MOCK_EXTRA_DAGS ?? 22) }, (_, i) => small(i))];
for (const dag of DAGS) {
  dag.is_paused ??= false;
  dag.params ??= { schema: { type: "object", properties: {} }, defaults: {} };
}

export const IMPORT_ERRORS = [
  {
    import_error_id: 1, timestamp: "2026-11-20T09:32:20.880896Z", filename: "broken.yaml", bundle_name: "dags-folder",
    stack_trace: 'broken.yaml:12:5: unknown key "retires"; did you mean "retries"?\n   |\n12 |     retires: 2\n   |     ^^^^^^^\nbroken.yaml:19:12: task "load" depends on "extrat", which does not exist; did you mean "extract"?',
  },
  { import_error_id: 2, timestamp: "2026-11-20T09:32:21Z", filename: "teams/finance/half_written.yaml", bundle_name: "dags-folder", stack_trace: "teams/finance/half_written.yaml:3:11: cycle: a → b → a" },
];

export function sourceOf(dag) {
  const lines = [`dag_id: ${dag.dag_id}`, ...(dag.description ? [`description: ${dag.description}`] : []), `schedule: ${dag.schedule ? JSON.stringify(dag.schedule) : "null"}`, `timezone: ${dag.timezone}`, `tags: [${dag.tags.join(", ")}]`, "default_args:", `  owner: ${dag.owner}`, "tasks:"];
  for (const [id, each] of Object.entries(dag.tasks)) {
    lines.push(`  ${id}:`, `    operator: ${each.operator}`);
    if (each.needs.length) lines.push(`    needs: [${each.needs.join(", ")}]`);
    if (each.trigger_rule !== "all_success") lines.push(`    trigger_rule: ${each.trigger_rule}`);
    if (each.operator === "bash") lines.push(`    bash_command: echo "{{ ds }} ${id}"   # runs in its own process group`);
    if (each.operator === "sql") lines.push("    conn_id: feature_store", `    sql: sql/${id}.sql`);
    if (each.operator === "docker") lines.push("    image: credit/ct:latest", `    command: [python, ${id}.py, --base_dt, "{{ ds }}"]`);
  }
  return `${lines.join("\n")}\n`;
}
