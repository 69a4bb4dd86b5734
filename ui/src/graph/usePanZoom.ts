/** Moving and scaling an SVG group: drag, wheel (with Ctrl or Cmd to zoom, or pinch), buttons. No React render per move. */

import { useCallback, useEffect, useRef } from "react";
import type { PointerEvent, RefObject } from "react";

interface Point {
  x: number;
  y: number;
}
interface Box extends Point {
  w: number;
  h: number;
}

const MIN_SCALE = 0.15;
const MAX_SCALE = 2.5;
const READABLE_SCALE = 0.75;
const MARGIN = 24;
const DRAG_PIXELS = 4;

export interface PanZoom {
  svg: RefObject<SVGSVGElement | null>;
  group: RefObject<SVGGElement | null>;
  handlers: Record<"onPointerDown" | "onPointerMove" | "onPointerUp" | "onPointerCancel", (event: PointerEvent<SVGSVGElement>) => void> & {
    onClickCapture: (event: React.MouseEvent) => void;
  };
  zoom: (factor: number) => void;
  fit: () => void;
  show: (box: Box) => void;
}

/** Opens with everything in view if that is readable, else at `attention`, else at the left edge. */
export function usePanZoom(width: number, height: number, attention: Point | null): PanZoom {
  const svg = useRef<SVGSVGElement>(null);
  const group = useRef<SVGGElement>(null);
  const view = useRef({ scale: 1, x: 0, y: 0 });
  const first = useRef(attention);

  const apply = useCallback((scale: number, x: number, y: number) => {
    view.current = { scale, x, y };
    group.current?.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
  }, []);
  const fitScale = useCallback(() => {
    const size = svg.current?.getBoundingClientRect();
    if (!size || size.width === 0) return 1;
    return Math.min(1.1, (size.width - 2 * MARGIN) / width, (size.height - 2 * MARGIN) / height);
  }, [width, height]);
  const fit = useCallback(() => {
    const size = svg.current?.getBoundingClientRect();
    const scale = Math.max(MIN_SCALE, fitScale());
    apply(scale, ((size?.width ?? 0) - width * scale) / 2, ((size?.height ?? 0) - height * scale) / 2);
  }, [apply, fitScale, width, height]);
  const zoomAt = useCallback(
    (factor: number, at: Point) => {
      const { scale, x, y } = view.current;
      const next = Math.min(MAX_SCALE, Math.max(MIN_SCALE, scale * factor));
      apply(next, at.x - ((at.x - x) * next) / scale, at.y - ((at.y - y) * next) / scale);
    },
    [apply],
  );

  useEffect(() => {
    const size = svg.current?.getBoundingClientRect();
    if (!size || fitScale() >= READABLE_SCALE) return fit();
    const at = first.current ?? { x: size.width / 2 - MARGIN, y: height / 2 };
    apply(READABLE_SCALE, size.width / 2 - at.x * READABLE_SCALE, size.height / 2 - at.y * READABLE_SCALE);
    if (!first.current) apply(READABLE_SCALE, MARGIN, size.height / 2 - (height / 2) * READABLE_SCALE);
  }, [apply, fit, fitScale, height]);

  useEffect(() => {
    const element = svg.current;
    if (!element) return;
    // React's wheel listeners are passive and could not keep the page from scrolling.
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const at = element.getBoundingClientRect();
      if (event.ctrlKey || event.metaKey) return zoomAt(Math.exp(-event.deltaY * 0.004), { x: event.clientX - at.left, y: event.clientY - at.top });
      const { scale, x, y } = view.current;
      apply(scale, x - (event.shiftKey ? event.deltaY : event.deltaX), y - (event.shiftKey ? 0 : event.deltaY));
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [apply, zoomAt]);

  const zoom = (factor: number) => {
    const size = svg.current?.getBoundingClientRect();
    zoomAt(factor, { x: (size?.width ?? 0) / 2, y: (size?.height ?? 0) / 2 });
  };
  const show = (box: Box) => {
    const size = svg.current?.getBoundingClientRect();
    if (!size) return;
    const { scale, x, y } = view.current;
    const [left, top] = [x + box.x * scale, y + box.y * scale];
    const inside = left >= 0 && top >= 0 && left + box.w * scale <= size.width && top + box.h * scale <= size.height;
    if (!inside) apply(scale, size.width / 2 - (box.x + box.w / 2) * scale, size.height / 2 - (box.y + box.h / 2) * scale);
  };
  return { svg, group, handlers: useDrag(svg, view, apply), zoom, fit, show };
}

function useDrag(svg: RefObject<SVGSVGElement | null>, view: RefObject<{ scale: number; x: number; y: number }>, apply: (scale: number, x: number, y: number) => void): PanZoom["handlers"] {
  const drag = useRef<(Point & { moved: boolean; originX: number; originY: number }) | null>(null);
  const dragged = useRef(false);
  const end = () => {
    dragged.current = drag.current?.moved ?? false;
    drag.current = null;
  };
  return {
    onPointerDown(event) {
      if (event.button !== 0) return;
      dragged.current = false;
      drag.current = { x: event.clientX, y: event.clientY, moved: false, originX: view.current.x, originY: view.current.y };
    },
    onPointerMove(event) {
      const from = drag.current;
      if (!from) return;
      const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
      if (!from.moved && Math.hypot(dx, dy) < DRAG_PIXELS) return;
      if (!from.moved) svg.current?.setPointerCapture(event.pointerId);
      from.moved = true;
      apply(view.current.scale, from.originX + dx, from.originY + dy);
    },
    onPointerUp: end,
    onPointerCancel: end,
    // The click that ends a drag must not follow the link under it.
    onClickCapture(event) {
      if (!dragged.current) return;
      event.preventDefault();
      event.stopPropagation();
      dragged.current = false;
    },
  };
}
