// Variables, connections and pools of the mock, in memory.

const secretKey = (key) => /password|secret|token|api_key/i.test(key);

const kinds = {
  variables: {
    id: "key", label: "Variable", wire: "variables",
    items: [
      { key: "feature_store_schema", value: "credit", description: "Schema of the features" },
      { key: "slack_token", value: "x", description: null },
      { key: "training_window", value: '{"days": 30, "min_rows": 1000}', description: "How much data to train on" },
    ],
    show: (item) => ({ ...item, value: secretKey(item.key) ? "***" : item.value, description: item.description ?? null, is_encrypted: true, team_name: null }),
  },
  connections: {
    id: "connection_id", label: "Connection", wire: "connections",
    items: [{ connection_id: "feature_store", conn_type: "mysql", host: "mariadb", login: "ml", password: "s", port: 3306, schema: "features", extra: '{"charset": "utf8mb4", "api_key": "k"}' }],
    show: (item) => ({ description: null, host: null, login: null, schema: null, port: null, ...item, password: item.password ? "***" : null, extra: item.extra?.replace(/("api_key": )"[^"]*"/, '$1"***"') ?? null, team_name: null }),
  },
  pools: {
    id: "name", label: "Pool", wire: "pools",
    items: [{ name: "default_pool", slots: 128, description: "Default pool" }, { name: "training", slots: 2, description: "GPU box", busy: 2 }],
    show: ({ busy = 0, ...item }) => ({ include_deferred: false, description: null, ...item, occupied_slots: busy, running_slots: busy, queued_slots: 0, scheduled_slots: busy ? 3 : 0, open_slots: item.slots - busy, deferred_slots: 0, team_name: null }),
  },
};

const detail = (status, text) => ({ status, body: { detail: text } });

/** Answers /api/v2/{variables,connections,pools}[/id]; null when the path is another one. */
export function admin(method, parts, body) {
  const kind = kinds[parts[0]];
  if (!kind) return null;
  const at = kind.items.findIndex((item) => item[kind.id] === parts[1]);
  if (parts.length === 1 && method === "GET") return { status: 200, body: { [kind.wire]: kind.items.map(kind.show), total_entries: kind.items.length } };
  if (parts.length === 1 && method === "POST") {
    if (!body?.[kind.id]) return { status: 422, body: { detail: [{ type: "missing", loc: ["body", kind.id], msg: "Field required", input: body }] } };
    if (kind.items.some((item) => item[kind.id] === body[kind.id])) return detail(409, `The ${kind.label} with ${kind.id}: \`${body[kind.id]}\` already exists`);
    kind.items.push(body);
    return { status: 201, body: kind.show(body) };
  }
  if (at < 0) return detail(404, `The ${kind.label} with ${kind.id}: \`${parts[1]}\` was not found`);
  if (method === "GET") return { status: 200, body: kind.show(kind.items[at]) };
  if (method === "PATCH") {
    Object.assign(kind.items[at], body);
    return { status: 200, body: kind.show(kind.items[at]) };
  }
  if (parts[1] === "default_pool") return detail(400, "Default Pool can't be deleted");
  kind.items.splice(at, 1);
  return { status: 204, body: null };
}
