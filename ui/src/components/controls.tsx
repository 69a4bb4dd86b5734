/** The controls every screen uses: buttons that say why they are off, tooltips, switches, selects. */

import { Check, Copy, Search } from "lucide-react";
import { cloneElement, useEffect, useState } from "react";
import type { ComponentProps, ReactElement, ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { TIP_ATTRIBUTE } from "./TipLayer";
import css from "./controls.module.css";

/** A tooltip on its only child, shown by `TipLayer`; without a text there is no tooltip. */
export function Tip({ text, children }: { text: string | null | undefined; children: ReactElement }) {
  if (text === "" || text === null || text === undefined) return children;
  return cloneElement(children as ReactElement<Record<string, unknown>>, { [TIP_ATTRIBUTE]: text });
}

interface ButtonProps extends Omit<ComponentProps<"button">, "disabled"> {
  kind?: "plain" | "primary" | "danger" | "ghost";
  /** Only an icon inside: `label` then is the name and the tooltip. */
  label?: string;
  tip?: string;
  /** Why the button is off. A switched-off button stays focusable and says it. */
  off?: string | false | null | undefined;
  pressed?: boolean;
}

export function Button({ kind = "plain", label, tip, off, pressed, onClick, children, ...rest }: ButtonProps) {
  const button = (
    <button
      type="button"
      {...rest}
      className={css.button}
      data-kind={kind}
      data-icon={label === undefined ? undefined : ""}
      data-pressed={pressed}
      aria-pressed={pressed}
      aria-label={label}
      aria-disabled={off ? true : undefined}
      onClick={(event) => {
        if (off) event.preventDefault();
        else onClick?.(event);
      }}
    >
      {children}
    </button>
  );
  return <Tip text={off || tip || label || ""}>{button}</Tip>;
}

interface SwitchProps {
  checked: boolean;
  label: string;
  off?: string | null | undefined;
  onChange: (checked: boolean) => void;
  id?: string;
}

export function Switch({ checked, label, off, onChange, id }: SwitchProps) {
  return (
    <Tip text={off ?? label}>
      <button
        type="button"
        role="switch"
        id={id}
        className={css.switch}
        aria-checked={checked}
        aria-label={label}
        aria-disabled={off ? true : undefined}
        onClick={() => {
          if (!off) onChange(!checked);
        }}
      >
        <span className={css.thumb} />
      </button>
    </Tip>
  );
}

export function Select(props: ComponentProps<"select">) {
  return <select {...props} className={css.select} />;
}

export function TextInput({ mono, ...props }: ComponentProps<"input"> & { mono?: boolean }) {
  return <input {...props} className={mono ? `${css.input} ${css.mono}` : css.input} />;
}

export function TextArea({ mono, ...props }: ComponentProps<"textarea"> & { mono?: boolean }) {
  return <textarea {...props} className={mono ? `${css.input} ${css.mono}` : css.input} />;
}

export function SearchInput({ label, ...props }: ComponentProps<"input"> & { label: string }) {
  return (
    <span className={css.search}>
      <Search aria-hidden="true" />
      <input type="search" aria-label={label} placeholder={label} {...props} className={css.input} />
    </span>
  );
}

/** Text that ends in "…" when there is no room, with the whole of it as a tooltip. */
export function Clip({ text, className }: { text: string; className?: string | undefined }) {
  return (
    <Tip text={text}>
      <span className={className ? `${css.truncate} ${className}` : css.truncate}>{text}</span>
    </Tip>
  );
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const { t } = useTranslation();
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  return (
    <Button kind="ghost" label={done ? t("common.copied") : label} onClick={() => void navigator.clipboard?.writeText(text).then(() => setDone(true))}>
      {done ? <Check /> : <Copy />}
    </Button>
  );
}

export function SrOnly({ children }: { children: ReactNode }) {
  return <span className={css.srOnly}>{children}</span>;
}
