/** Variables, connections and pools: a list each, with a form to make, change and delete. */

import { useTranslation } from "react-i18next";
import { listConnections, listPools, listVariables } from "../api/queries";
import type { Connection, Pool, Variable } from "../api/types";
import { connectionBody, poolBody, variableBody } from "../lib/adminForms";
import { AdminList } from "./AdminList";
import type { AdminKind } from "./AdminList";
import { ConnectionFields, PoolFields, VariableFields } from "./AdminFields";
import { NotFound } from "./NotFound";
import css from "./Admin.module.css";

export default function AdminPage({ kind }: { kind: string }) {
  if (kind === "variables") return <Variables />;
  if (kind === "connections") return <Connections />;
  if (kind === "pools") return <Pools />;
  return <NotFound />;
}

function Variables() {
  const { t } = useTranslation();
  const kind: AdminKind<Variable> = {
    name: "variables",
    title: t("nav.variables"),
    create: t("admin.newVariable"),
    edit: (id) => t("admin.editVariable", { name: id }),
    empty: [t("admin.emptyVariables"), t("admin.emptyVariablesHint", { example: "{{ var.value.key }}" })],
    load: listVariables,
    id: (item) => item.key,
    columns: [
      { title: t("admin.key"), cell: (item) => <span className={css.id}>{item.key}</span> },
      { title: t("admin.value"), cell: (item) => (item.value === "***" ? <em className={css.hidden}>{t("admin.secretHidden")}</em> : <code>{item.value}</code>), clip: (item) => (item.value === "***" ? "" : item.value) },
      { title: t("admin.description"), cell: (item) => item.description, clip: (item) => item.description ?? "", wide: true },
    ],
    fields: (item, errors) => <VariableFields item={item} errors={errors} />,
    body: variableBody,
  };
  return <AdminList kind={kind} />;
}

function Connections() {
  const { t } = useTranslation();
  const kind: AdminKind<Connection> = {
    name: "connections",
    title: t("nav.connections"),
    create: t("admin.newConnection"),
    edit: (id) => t("admin.editConnection", { name: id }),
    empty: [t("admin.emptyConnections"), t("admin.emptyConnectionsHint")],
    load: listConnections,
    id: (item) => item.connection_id,
    columns: [
      { title: t("admin.connectionId"), cell: (item) => <span className={css.id}>{item.connection_id}</span> },
      { title: t("admin.connType"), cell: (item) => item.conn_type },
      { title: t("admin.host"), cell: (item) => [item.host, item.port].filter((part) => part !== null && part !== "").join(":"), clip: (item) => item.host ?? "", wide: true },
      { title: t("admin.login"), cell: (item) => item.login, wide: true },
      { title: t("admin.schema"), cell: (item) => item.schema, wide: true },
      { title: t("admin.description"), cell: (item) => item.description, clip: (item) => item.description ?? "", wide: true },
    ],
    fields: (item, errors) => <ConnectionFields item={item} errors={errors} />,
    body: connectionBody,
  };
  return <AdminList kind={kind} />;
}

function Pools() {
  const { t } = useTranslation();
  const kind: AdminKind<Pool> = {
    name: "pools",
    title: t("nav.pools"),
    create: t("admin.newPool"),
    edit: (id) => t("admin.editPool", { name: id }),
    empty: [t("admin.emptyPools"), t("admin.emptyPoolsHint")],
    load: listPools,
    id: (item) => item.name,
    keep: (item) => (item.name === "default_pool" ? t("admin.defaultPoolKept") : null),
    columns: [
      { title: t("admin.name"), cell: (item) => <span className={css.id}>{item.name}</span> },
      { title: t("admin.used"), cell: (item) => <Usage pool={item} /> },
      { title: t("admin.running"), cell: (item) => item.running_slots, wide: true },
      { title: t("admin.queued"), cell: (item) => item.queued_slots, wide: true },
      { title: t("admin.scheduled"), cell: (item) => item.scheduled_slots, wide: true },
      { title: t("admin.description"), cell: (item) => item.description, clip: (item) => item.description ?? "", wide: true },
    ],
    fields: (item, errors) => <PoolFields item={item} errors={errors} />,
    body: poolBody,
  };
  return <AdminList kind={kind} />;
}

function Usage({ pool }: { pool: Pool }) {
  const { t } = useTranslation();
  const share = pool.slots > 0 ? Math.min(1, pool.occupied_slots / pool.slots) : 0;
  return (
    <span className={css.usage} data-tip={t("admin.usage", { used: pool.occupied_slots, slots: pool.slots })} tabIndex={0}>
      <span className={css.track} data-full={share >= 1}>
        <span style={{ width: `${share * 100}%` }} />
      </span>
      {pool.occupied_slots} / {pool.slots < 0 ? "∞" : pool.slots}
    </span>
  );
}
