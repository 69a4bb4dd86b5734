/** The corner where notices appear; screen readers hear them politely. */

import { X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { dismissToast, useToasts } from "../lib/toasts";
import { Button } from "./controls";
import css from "./Toasts.module.css";

export function Toasts() {
  const { t } = useTranslation();
  const toasts = useToasts();
  return (
    <div className={css.corner} role="status" aria-live="polite">
      {toasts.map((toast) => (
        <div key={toast.id} className={css.toast} data-kind={toast.kind}>
          <span className={css.text}>{toast.text}</span>
          {toast.action ? (
            <Button
              onClick={() => {
                toast.action?.run();
                dismissToast(toast.id);
              }}
            >
              {toast.action.label}
            </Button>
          ) : null}
          <Button kind="ghost" label={t("common.close")} onClick={() => dismissToast(toast.id)}>
            <X />
          </Button>
        </div>
      ))}
    </div>
  );
}
