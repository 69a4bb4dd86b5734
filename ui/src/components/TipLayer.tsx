/**
 * One tooltip for the whole page. Elements only carry a text; a table of a thousand rows costs nothing extra.
 * Shows on hover and on keyboard focus, stays while the pointer is on it, leaves with Escape.
 */

import { useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import css from "./controls.module.css";

export const TIP_ATTRIBUTE = "data-tip";

const SHOW_MILLIS = 350;
const HIDE_MILLIS = 120;
const GAP = 7;
// A longer text may be read with the pointer on it; a short one must not lie in the way of what is under it.
const LONG_CHARS = 60;

interface Shown {
  anchor: Element;
  text: string;
}

export function TipLayer() {
  const [shown, setShown] = useState<Shown | null>(null);
  useEffect(() => watchAnchors(setShown), []);
  return shown ? <Bubble shown={shown} /> : null;
}

function Bubble({ shown }: { shown: Shown }) {
  const id = useId();
  const bubble = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const box = bubble.current;
    if (!box) return;
    const at = shown.anchor.getBoundingClientRect();
    const size = box.getBoundingClientRect();
    const below = at.bottom + GAP + size.height < window.innerHeight;
    const left = Math.min(Math.max(8, at.left + at.width / 2 - size.width / 2), window.innerWidth - size.width - 8);
    box.style.left = `${left}px`;
    box.style.top = `${below ? at.bottom + GAP : Math.max(8, at.top - GAP - size.height)}px`;
  }, [shown]);
  useEffect(() => {
    const { anchor } = shown;
    if (anchor.getAttribute("aria-label") === shown.text) return;
    anchor.setAttribute("aria-describedby", id);
    return () => anchor.removeAttribute("aria-describedby");
  }, [shown, id]);
  return (
    <div ref={bubble} id={id} role="tooltip" className={css.tip} data-tip-bubble="" data-long={shown.text.length > LONG_CHARS}>
      {shown.text}
    </div>
  );
}

/** Follows pointer and focus over the document; returns the function that stops it. */
function watchAnchors(show: (shown: Shown | null) => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let current: Element | null = null;
  const watcher = new MutationObserver(() => refresh());

  const hide = () => {
    clearTimeout(timer);
    watcher.disconnect();
    current = null;
    show(null);
  };
  const refresh = () => {
    const text = current?.isConnected ? current.getAttribute(TIP_ATTRIBUTE) : null;
    if (current && text) show({ anchor: current, text });
    else hide();
  };
  const showSoon = (anchor: Element, delayMillis: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      current = anchor;
      watcher.disconnect();
      watcher.observe(anchor, { attributes: true, attributeFilter: [TIP_ATTRIBUTE] });
      refresh();
    }, delayMillis);
  };
  const onOver = (event: Event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest("[data-tip-bubble]")) return clearTimeout(timer);
    const anchor = target?.closest(`[${TIP_ATTRIBUTE}]`);
    if (anchor && anchor === current) return clearTimeout(timer);
    if (anchor) return showSoon(anchor, current ? HIDE_MILLIS : SHOW_MILLIS);
    clearTimeout(timer);
    if (current) timer = setTimeout(hide, HIDE_MILLIS);
  };
  const onFocus = (event: FocusEvent) => {
    const target = event.target instanceof Element ? event.target : null;
    if (target?.hasAttribute(TIP_ATTRIBUTE) && target.matches(":focus-visible")) showSoon(target, 0);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Escape" && current) hide();
  };
  const stop = new AbortController();
  const options = { signal: stop.signal, passive: true };
  document.addEventListener("pointerover", onOver, options);
  document.addEventListener("focusin", onFocus, options);
  document.addEventListener("focusout", hide, options);
  document.addEventListener("pointerdown", hide, options);
  document.addEventListener("scroll", hide, { ...options, capture: true });
  document.addEventListener("keydown", onKey, options);
  return () => {
    stop.abort();
    clearTimeout(timer);
    watcher.disconnect();
  };
}
