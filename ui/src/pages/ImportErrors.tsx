/** The banner for DAG files that cannot be read: file, line, message, and the whole text on demand. */

import { useQuery } from "@tanstack/react-query";
import { TriangleAlert } from "lucide-react";
import { useTranslation } from "react-i18next";
import { importErrorsQuery } from "../api/queries";
import { readImportError } from "../lib/importErrors";
import css from "./ImportErrors.module.css";

const MANY = 3;

export function ImportErrors() {
  const { t } = useTranslation();
  const { data } = useQuery(importErrorsQuery());
  const entries = data?.import_errors ?? [];
  if (entries.length === 0) return null;
  return (
    <details className={css.banner} open={entries.length <= MANY}>
      <summary className={css.title}>
        <TriangleAlert aria-hidden="true" />
        {t("dags.importErrors", { count: data?.total_entries ?? entries.length })}
      </summary>
      <ul className={css.list}>
        {entries.map((entry) => {
          const problem = readImportError(entry);
          return (
            <li key={entry.import_error_id}>
              <code className={css.file}>{problem.file}</code>
              {problem.line === null ? null : <span className={css.line}>{t("dags.line", { line: problem.line })}</span>}
              <span className={css.message}>{problem.message}</span>
              {problem.details === null ? null : (
                <details className={css.more}>
                  <summary>{t("dags.details")}</summary>
                  <pre>{problem.details}</pre>
                </details>
              )}
            </li>
          );
        })}
      </ul>
    </details>
  );
}
