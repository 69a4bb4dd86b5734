/** Where one is (a trail), what it is called, and what can be done with it. */

import { Fragment } from "react";
import type { ReactNode } from "react";
import { Link } from "wouter";
import css from "./PageHead.module.css";

interface PageHeadProps {
  trail: { href: string; text: string }[];
  title: string;
  badge?: ReactNode;
  actions?: ReactNode;
  children?: ReactNode;
}

export function PageHead({ trail, title, badge, actions, children }: PageHeadProps) {
  return (
    <header className={css.head}>
      <div className={css.trail}>
        {trail.map((place) => (
          <Fragment key={place.href}>
            <Link href={place.href}>{place.text}</Link>
            <span aria-hidden="true">/</span>
          </Fragment>
        ))}
      </div>
      <div className={css.line}>
        <h1 className={css.title}>{title}</h1>
        {badge}
        <div className={css.actions}>{actions}</div>
      </div>
      {children}
    </header>
  );
}

/** Facts in a row: small name above, value below. Facts without a value are left out. */
export function Facts({ facts }: { facts: Record<string, ReactNode> }) {
  return (
    <dl className={css.facts}>
      {Object.entries(facts)
        .filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
        .map(([name, value]) => (
          <div key={name} className={css.fact}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
