/** A form field: label, control, hint, and what is wrong with it, tied together for screen readers. */

import { useId } from "react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import css from "./Field.module.css";

export interface ControlProps {
  id: string;
  "aria-invalid": boolean;
  "aria-describedby": string | undefined;
}

interface FieldProps {
  label: string;
  hint?: ReactNode;
  error?: string | null | undefined;
  required?: boolean;
  /** A short word beside the label, such as the type. */
  aside?: string;
  children: (props: ControlProps) => ReactNode;
}

export function Field({ label, hint, error, required = false, aside, children }: FieldProps) {
  const { t } = useTranslation();
  const id = useId();
  const described = [hint ? `${id}-hint` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ");
  return (
    <div className={css.field}>
      <div className={css.top}>
        <label htmlFor={id} className={css.label}>
          {label}
          {required ? (
            <span className={css.required} title={t("form.requiredMark")}>
              *
            </span>
          ) : null}
        </label>
        {aside ? <span className={css.aside}>{aside}</span> : null}
      </div>
      {children({ id, "aria-invalid": Boolean(error), "aria-describedby": described || undefined })}
      {error ? (
        <p id={`${id}-error`} className={css.error} role="alert">
          {error}
        </p>
      ) : null}
      {hint ? (
        <p id={`${id}-hint`} className={css.hint}>
          {hint}
        </p>
      ) : null}
    </div>
  );
}
