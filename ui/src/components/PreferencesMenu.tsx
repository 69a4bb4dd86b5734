/** The reader's settings: theme, language, zone of dates; and the way out. */

import { useQuery } from "@tanstack/react-query";
import { Check, LogOut, Settings } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { useTranslation } from "react-i18next";
import { whoamiQuery } from "../api/queries";
import { setToken } from "../api/session";
import { setPrefs, usePrefs } from "../lib/prefs";
import type { Prefs } from "../lib/prefs";
import { localZone } from "../lib/time";
import { Button } from "./controls";
import css from "./TopBar.module.css";

export default function PreferencesMenu() {
  const { t } = useTranslation();
  const prefs = usePrefs();
  const { data: who } = useQuery(whoamiQuery());
  return (
    <DropdownMenu.Root modal={false} defaultOpen>
      <DropdownMenu.Trigger asChild>
        <Button kind="ghost" label={t("prefs.open")}>
          <Settings />
        </Button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className={css.menu} align="end" sideOffset={6} collisionPadding={8}>
          {who ? <DropdownMenu.Label className={css.who}>{t("prefs.signedIn", { name: who.name, role: who.role })}</DropdownMenu.Label> : null}
          <Choice prefs={prefs} name="theme" title={t("prefs.theme")} options={[["system", t("prefs.system")], ["light", t("prefs.light")], ["dark", t("prefs.dark")]]} />
          <Choice prefs={prefs} name="language" title={t("prefs.language")} options={[["en", "English"], ["ko", "한국어"]]} />
          <Choice prefs={prefs} name="zone" title={t("prefs.zone")} options={[["local", t("prefs.local", { zone: localZone() })], ["utc", t("prefs.utc")]]} />
          <DropdownMenu.Separator className={css.separator} />
          <DropdownMenu.Item className={css.item} onSelect={() => setToken(null)}>
            <LogOut aria-hidden="true" />
            {t("prefs.logOut")}
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

interface ChoiceProps {
  prefs: Prefs;
  name: keyof Prefs;
  title: string;
  options: [string, string][];
}

function Choice({ prefs, name, title, options }: ChoiceProps) {
  return (
    <DropdownMenu.RadioGroup value={prefs[name]} onValueChange={(value) => setPrefs({ [name]: value } as Partial<Prefs>)} aria-label={title}>
      <DropdownMenu.Label className={css.label}>{title}</DropdownMenu.Label>
      {options.map(([value, text]) => (
        <DropdownMenu.RadioItem key={value} value={value} className={css.item} onSelect={(event) => event.preventDefault()}>
          <span className={css.mark}>
            <DropdownMenu.ItemIndicator>
              <Check aria-hidden="true" />
            </DropdownMenu.ItemIndicator>
          </span>
          <span lang={name === "language" ? value : undefined}>{text}</span>
        </DropdownMenu.RadioItem>
      ))}
    </DropdownMenu.RadioGroup>
  );
}
