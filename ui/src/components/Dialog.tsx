/** A modal dialog. The scrim is our own element: Radix's overlay would inject a style tag, which the CSP forbids. */

import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "./controls";
import css from "./Dialog.module.css";

interface DialogProps {
  title: ReactNode;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
}

export function Dialog({ title, onClose, children, wide = false }: DialogProps) {
  const { t } = useTranslation();
  return (
    <Radix.Root open onOpenChange={(open) => (open ? undefined : onClose())}>
      <Radix.Portal>
        <div className={css.scrim} data-overlay="" />
        <Radix.Content
          className={css.content}
          data-wide={wide}
          aria-describedby={undefined}
          onOpenAutoFocus={(event) => {
            // The first field, not the close button: people open a dialog to fill it in.
            const content = event.currentTarget as HTMLElement;
            const field = content.querySelector<HTMLElement>("[data-autofocus], input:not([type=checkbox], [readonly]), select, textarea");
            event.preventDefault();
            (field ?? content).focus();
          }}
        >
          <header className={css.header}>
            <Radix.Title className={css.title}>{title}</Radix.Title>
            <Radix.Close asChild>
              <Button kind="ghost" label={t("common.close")}>
                <X />
              </Button>
            </Radix.Close>
          </header>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** Scrolling middle of a dialog. */
export function DialogBody({ children }: { children: ReactNode }) {
  return <div className={css.body}>{children}</div>;
}

export function DialogFooter({ children }: { children: ReactNode }) {
  return <footer className={css.footer}>{children}</footer>;
}

interface ConfirmProps {
  title: string;
  hint: string;
  submit: string;
  danger?: boolean;
  busy?: boolean;
  error?: string | null;
  onConfirm: () => void;
  onClose: () => void;
}

export function Confirm({ title, hint, submit, danger = false, busy = false, error, onConfirm, onClose }: ConfirmProps) {
  const { t } = useTranslation();
  return (
    <Dialog title={title} onClose={onClose}>
      <DialogBody>
        <p>{hint}</p>
        {error ? (
          <p role="alert" className={css.error}>
            {error}
          </p>
        ) : null}
      </DialogBody>
      <DialogFooter>
        <Button onClick={onClose}>{t("common.cancel")}</Button>
        <Button kind={danger ? "danger" : "primary"} off={busy ? t("common.loading") : null} onClick={onConfirm}>
          {submit}
        </Button>
      </DialogFooter>
    </Dialog>
  );
}
