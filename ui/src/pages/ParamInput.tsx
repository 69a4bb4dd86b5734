/** The input for one param, chosen by its schema. */

import { useTranslation } from "react-i18next";
import { Select, Switch, TextArea, TextInput } from "../components/controls";
import { Field } from "../components/Field";
import type { ControlProps } from "../components/Field";
import type { ParamField } from "../lib/params";

interface ParamInputProps {
  field: ParamField;
  text: string;
  error: string | null;
  onChange: (text: string) => void;
}

function typeWord(field: ParamField): string {
  const { type, format } = field.schema;
  const word = Array.isArray(type) ? type.join(" | ") : (type ?? field.kind);
  return format ? `${word}, ${format}` : word;
}

export function ParamInput({ field, text, error, onChange }: ParamInputProps) {
  return (
    <Field label={field.title} hint={field.description} error={error} required={field.required} aside={typeWord(field)}>
      {(props) => <Control field={field} text={text} onChange={onChange} props={props} />}
    </Field>
  );
}

const INPUT_TYPES = { date: "date", datetime: "datetime-local", number: "number", integer: "number" } as const;

function Control({ field, text, onChange, props }: Omit<ParamInputProps, "error"> & { props: ControlProps }) {
  const { t } = useTranslation();
  const { kind, schema } = field;
  if (kind === "boolean" && !field.nullable) {
    return <Switch id={props.id} checked={text === "true"} label={field.title} onChange={(on) => onChange(String(on))} />;
  }
  if (kind === "choice" || kind === "boolean") {
    const options = kind === "choice" ? field.choices.map((choice, i) => [String(i), choice === null ? t("trigger.unset") : wordOf(choice)]) : [["true", t("common.yes")], ["false", t("common.no")]];
    return (
      <Select {...props} value={text} onChange={(event) => onChange(event.target.value)}>
        {text === "" || (!field.required && !field.choices.includes(null)) ? <option value="">{t("trigger.unset")}</option> : null}
        {options.map(([value, word]) => (
          <option key={value} value={value}>
            {word}
          </option>
        ))}
      </Select>
    );
  }
  if (kind === "json" || kind === "long") {
    const rows = Math.min(12, Math.max(3, text.split("\n").length));
    return <TextArea {...props} mono={kind === "json"} rows={rows} spellCheck={false} value={text} onChange={(event) => onChange(event.target.value)} />;
  }
  const type = kind === "text" ? "text" : INPUT_TYPES[kind];
  const step = kind === "integer" ? 1 : kind === "datetime" ? 1 : "any";
  return (
    <TextInput
      {...props}
      type={type}
      step={type === "text" || type === "date" ? undefined : step}
      min={schema.minimum}
      max={schema.maximum}
      value={text}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

function wordOf(choice: unknown): string {
  return typeof choice === "string" ? choice : JSON.stringify(choice);
}
