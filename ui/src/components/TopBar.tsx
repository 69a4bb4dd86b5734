/** Name, main navigation, the state of live updates, and the reader's settings. */

import { Settings } from "lucide-react";
import { Suspense, lazy, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation } from "wouter";
import type { LiveStatus } from "../api/live";
import { Button, Tip } from "./controls";
import css from "./TopBar.module.css";

const PreferencesMenu = lazy(() => import("./PreferencesMenu"));

const PLACES = [
  ["/dags", "nav.dags"],
  ["/assets", "nav.assets"],
  ["/admin/variables", "nav.variables"],
  ["/admin/connections", "nav.connections"],
  ["/admin/pools", "nav.pools"],
] as const;

export function TopBar({ status }: { status: LiveStatus }) {
  const { t } = useTranslation();
  const [location] = useLocation();
  return (
    <header className={css.bar}>
      <Link href="/dags" className={css.brand}>
        <Logo />
        <span className={css.brandName}>Millrace</span>
      </Link>
      <nav className={css.nav} aria-label={t("nav.main")}>
        {PLACES.map(([href, key]) => (
          <Link key={href} href={href} className={css.place} aria-current={location.startsWith(href) ? "page" : undefined}>
            {t(key)}
          </Link>
        ))}
      </nav>
      <Tip text={t(`live.${status}Hint`)}>
        <span className={css.live} data-status={status} role="status" tabIndex={0}>
          <span className={css.dot} />
          <span className={css.liveWord}>{t(`live.${status}`)}</span>
        </span>
      </Tip>
      <Preferences />
    </header>
  );
}

export function Logo() {
  return (
    <svg className={css.logo} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" />
      <circle cx="16" cy="14.5" r="6.2" />
      <path d="M16 4.6v19.8M6.1 14.5h19.8M9 7.5l14 14M23 7.5l-14 14" strokeWidth="1.7" />
      <path d="M3.5 27c2.6-2.2 5.2-2.2 7.8 0s5.2 2.2 7.8 0 5.2-2.2 9.4 0" />
    </svg>
  );
}

/** The menu is fetched when it is first opened: most visits never do. */
function Preferences() {
  const { t } = useTranslation();
  const [wanted, setWanted] = useState(false);
  const button = (
    <Button kind="ghost" label={t("prefs.open")} aria-haspopup="menu" onClick={() => setWanted(true)}>
      <Settings />
    </Button>
  );
  return wanted ? (
    <Suspense fallback={button}>
      <PreferencesMenu />
    </Suspense>
  ) : (
    button
  );
}
