/** The list, the form dialog and the delete question that variables, connections and pools share. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import type { FormEvent, ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ApiError, call, path } from "../api/client";
import { keys } from "../api/queries";
import { Button, SearchInput } from "../components/controls";
import { Confirm, Dialog, DialogBody, DialogFooter } from "../components/Dialog";
import { Empty, Loaded, useErrorText } from "../components/feedback";
import { PageHead } from "../components/PageHead";
import { useReadOnlyReason } from "../lib/access";
import { maskOf } from "../lib/adminForms";
import type { FormValues } from "../lib/adminForms";
import { useQueryState, useTitle } from "../lib/hooks";
import { errorsByField } from "../lib/params";
import { showToast } from "../lib/toasts";
import css from "./Admin.module.css";

export interface AdminKind<T> {
  name: "variables" | "connections" | "pools";
  title: string;
  create: string;
  edit: (id: string) => string;
  /** Title and hint for an empty list. */
  empty: [string, string];
  load: () => Promise<T[]>;
  id: (item: T) => string;
  /** Why an item cannot be deleted, or null. */
  keep?: (item: T) => string | null;
  columns: { title: string; cell: (item: T) => ReactNode; clip?: (item: T) => string; wide?: boolean }[];
  fields: (item: T | null, errors: Record<string, string>) => ReactNode;
  body: (values: FormValues, before: T | null) => Record<string, unknown>;
}

export function AdminList<T>({ kind }: { kind: AdminKind<T> }) {
  const { t } = useTranslation();
  useTitle(kind.title);
  const readOnly = useReadOnlyReason();
  const [params, setParams] = useQueryState();
  const [editing, setEditing] = useState<{ item: T | null } | null>(null);
  const [deleting, setDeleting] = useState<T | null>(null);
  const query = useQuery({ queryKey: keys.admin(kind.name), queryFn: kind.load });
  const q = (params.get("q") ?? "").toLowerCase();
  const shown = (query.data ?? []).filter((item) => kind.id(item).toLowerCase().includes(q));
  return (
    <>
      <PageHead
        trail={[]}
        title={kind.title}
        actions={
          <>
            <SearchInput label={t("admin.filter")} value={params.get("q") ?? ""} onChange={(event) => setParams({ q: event.target.value })} />
            <Button kind="primary" off={readOnly} onClick={() => setEditing({ item: null })}>
              <Plus />
              {kind.create}
            </Button>
          </>
        }
      />
      <Loaded query={query}>
        {(all) =>
          shown.length === 0 ? (
            <Empty title={all.length === 0 ? kind.empty[0] : t("log.noMatch")} hint={all.length === 0 ? kind.empty[1] : undefined} />
          ) : (
            <Table kind={kind} items={shown} readOnly={readOnly} onEdit={(item) => setEditing({ item })} onDelete={setDeleting} />
          )
        }
      </Loaded>
      {editing ? <EditDialog kind={kind} item={editing.item} onClose={() => setEditing(null)} /> : null}
      {deleting ? <DeleteDialog kind={kind} item={deleting} onClose={() => setDeleting(null)} /> : null}
    </>
  );
}

interface TableProps<T> {
  kind: AdminKind<T>;
  items: T[];
  readOnly: string | null;
  onEdit: (item: T) => void;
  onDelete: (item: T) => void;
}

function Table<T>({ kind, items, readOnly, onEdit, onDelete }: TableProps<T>) {
  const { t } = useTranslation();
  return (
    <div className={css.scroll} tabIndex={0} role="region" aria-label={kind.title}>
      <table className={css.table}>
        <thead>
          <tr>
            {kind.columns.map((column) => (
              <th key={column.title} className={column.wide ? css.wide : undefined}>
                {column.title}
              </th>
            ))}
            <th>
              <span className={css.srOnly}>{t("common.actions")}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <tr key={kind.id(item)}>
              {kind.columns.map((column) => (
                <td key={column.title} className={column.wide ? css.wide : undefined}>
                  <div className={column.clip ? css.clip : undefined} data-tip={column.clip?.(item) || undefined}>
                    {column.cell(item)}
                  </div>
                </td>
              ))}
              <td className={css.actions}>
                <Button kind="ghost" label={`${t("common.edit")} ${kind.id(item)}`} off={readOnly} onClick={() => onEdit(item)}>
                  <Pencil />
                </Button>
                <Button kind="ghost" label={`${t("common.delete")} ${kind.id(item)}`} off={readOnly ?? kind.keep?.(item) ?? null} onClick={() => onDelete(item)}>
                  <Trash2 />
                </Button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface ItemProps<T, Item> {
  kind: AdminKind<T>;
  item: Item;
  onClose: () => void;
}

function EditDialog<T>({ kind, item, onClose }: ItemProps<T, T | null>) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const errorText = useErrorText();
  const save = useMutation({
    mutationFn: (values: FormValues) => {
      const body = kind.body(values, item);
      if (item === null) return call("POST", `/api/v2/${kind.name}`, { body });
      return call("PATCH", `${itemPath(kind, item)}?${maskOf(body)}`, { body });
    },
    onSuccess: (_answer, values) => {
      void client.invalidateQueries({ queryKey: keys.admin(kind.name) });
      showToast({ kind: "done", text: t("admin.saved", { name: item ? kind.id(item) : (values.key ?? values.connection_id ?? values.name ?? "") }) });
      onClose();
    },
  });
  const { byBody, other } = save.error instanceof ApiError ? errorsByField(save.error.fields) : { byBody: {}, other: [] };
  const general = save.error && Object.keys(byBody).length === 0 ? [...other, errorText(save.error)].slice(0, 1) : other;
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const values: FormValues = {};
    for (const [name, value] of new FormData(event.currentTarget)) values[name] = String(value);
    if (!save.isPending) save.mutate(values);
  };
  return (
    <Dialog title={item === null ? kind.create : kind.edit(kind.id(item))} onClose={onClose}>
      <form onSubmit={submit}>
        <DialogBody>
          {kind.fields(item, byBody)}
          {general.map((text) => (
            <p key={text} role="alert" className={css.error}>
              {text}
            </p>
          ))}
        </DialogBody>
        <DialogFooter>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button kind="primary" type="submit">
            {t(item === null ? "common.create" : "common.save")}
          </Button>
        </DialogFooter>
      </form>
    </Dialog>
  );
}

function itemPath<T>(kind: AdminKind<T>, item: T): string {
  return path`/api/v2/${kind.name}/${kind.id(item)}`;
}

function DeleteDialog<T>({ kind, item, onClose }: ItemProps<T, T>) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const errorText = useErrorText();
  const name = kind.id(item);
  const remove = useMutation({
    mutationFn: () => call("DELETE", itemPath(kind, item)),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keys.admin(kind.name) });
      showToast({ kind: "done", text: t("admin.deleted", { name }) });
      onClose();
    },
  });
  return (
    <Confirm
      title={t("admin.deleteTitle", { name })}
      hint={t("admin.deleteHint")}
      submit={t("common.delete")}
      danger
      busy={remove.isPending}
      error={remove.error ? errorText(remove.error) : null}
      onConfirm={() => remove.mutate()}
      onClose={onClose}
    />
  );
}
