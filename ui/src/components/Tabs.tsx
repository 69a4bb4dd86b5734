/** Views of one thing as links: each has its address, so back, reload and sharing work. */

import type { MouseEvent } from "react";
import { useQueryState } from "../lib/hooks";
import css from "./controls.module.css";

interface TabsProps {
  label: string;
  views: { id: string; name: string }[];
  current: string;
}

export function Tabs({ label, views, current }: TabsProps) {
  const [, setQuery] = useQueryState();
  const open = (event: MouseEvent, id: string) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    setQuery({ view: id }, true);
  };
  return (
    <nav className={css.tabs} aria-label={label}>
      {views.map((view) => {
        const params = new URLSearchParams(window.location.search);
        params.set("view", view.id);
        return (
          <a
            key={view.id}
            className={css.tab}
            href={`?${params.toString()}`}
            aria-current={view.id === current ? "page" : undefined}
            onClick={(event) => open(event, view.id)}
          >
            {view.name}
          </a>
        );
      })}
    </nav>
  );
}
