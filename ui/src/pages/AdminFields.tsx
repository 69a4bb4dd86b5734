/** The fields of the admin forms. Secrets are write-only: a saved one is never shown, and an empty field keeps it. */

import { useTranslation } from "react-i18next";
import type { Connection, Pool, Variable } from "../api/types";
import { TextArea, TextInput } from "../components/controls";
import { Field } from "../components/Field";
import { MASK } from "../lib/adminForms";

interface FieldsProps<T> {
  /** The item being changed; null when a new one is made. */
  item: T | null;
  errors: Record<string, string>;
}

export function VariableFields({ item, errors }: FieldsProps<Variable>) {
  const { t } = useTranslation();
  const masked = item?.value === MASK;
  return (
    <>
      <Field label={t("admin.key")} required error={errors.key}>
        {(props) => <TextInput {...props} name="key" defaultValue={item?.key} readOnly={item !== null} required mono autoComplete="off" />}
      </Field>
      <Field label={t("admin.value")} error={errors.value} hint={masked ? t("admin.secretKept") : undefined}>
        {(props) => <TextArea {...props} name="value" rows={4} mono spellCheck={false} defaultValue={masked ? "" : item?.value} data-autofocus={item ? "" : undefined} />}
      </Field>
      <Field label={t("admin.description")} error={errors.description}>
        {(props) => <TextInput {...props} name="description" defaultValue={item?.description ?? ""} />}
      </Field>
    </>
  );
}

export function ConnectionFields({ item, errors }: FieldsProps<Connection>) {
  const { t } = useTranslation();
  const text = (name: "conn_type" | "host" | "login" | "schema" | "description", label: string, required = false) => (
    <Field label={label} error={errors[name]} required={required}>
      {(props) => <TextInput {...props} name={name} defaultValue={item?.[name] ?? ""} required={required} autoComplete="off" />}
    </Field>
  );
  return (
    <>
      <Field label={t("admin.connectionId")} required error={errors.connection_id}>
        {(props) => <TextInput {...props} name="connection_id" defaultValue={item?.connection_id} readOnly={item !== null} required mono autoComplete="off" />}
      </Field>
      {text("conn_type", t("admin.connType"), true)}
      {text("host", t("admin.host"))}
      <Field label={t("admin.port")} error={errors.port}>
        {(props) => <TextInput {...props} name="port" type="number" min={0} max={65535} defaultValue={item?.port ?? ""} />}
      </Field>
      {text("login", t("admin.login"))}
      <Field label={t("admin.password")} error={errors.password} hint={item?.password ? t("admin.secretKept") : undefined}>
        {(props) => <TextInput {...props} name="password" type="password" autoComplete="new-password" />}
      </Field>
      {text("schema", t("admin.schema"))}
      <Field label={t("admin.extra")} error={errors.extra} hint={item?.extra?.includes(MASK) ? t("admin.extraMasked") : undefined}>
        {(props) => <TextArea {...props} name="extra" rows={3} mono spellCheck={false} defaultValue={item?.extra ?? ""} />}
      </Field>
      {text("description", t("admin.description"))}
    </>
  );
}

export function PoolFields({ item, errors }: FieldsProps<Pool>) {
  const { t } = useTranslation();
  return (
    <>
      <Field label={t("admin.name")} required error={errors.name ?? errors.pool}>
        {(props) => <TextInput {...props} name="name" defaultValue={item?.name} readOnly={item !== null} required mono autoComplete="off" />}
      </Field>
      <Field label={t("admin.slots")} required error={errors.slots}>
        {(props) => <TextInput {...props} name="slots" type="number" min={-1} step={1} required defaultValue={item?.slots ?? 1} data-autofocus={item ? "" : undefined} />}
      </Field>
      <Field label={t("admin.description")} error={errors.description}>
        {(props) => <TextInput {...props} name="description" defaultValue={item?.description ?? ""} />}
      </Field>
      <p>
        <label>
          <input type="checkbox" name="include_deferred" defaultChecked={item?.include_deferred} /> {t("admin.includeDeferred")}
        </label>
      </p>
    </>
  );
}
