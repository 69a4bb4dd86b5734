/** The graph: nodes and edges where the server put them, coloured for a run, moved by drag, wheel and keys. */

import { useQuery } from "@tanstack/react-query";
import { Maximize, Minus, Plus } from "lucide-react";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { graphQuery, tasksQuery } from "../api/queries";
import type { GraphNode, GraphResponse, TaskInstance } from "../api/types";
import { Button } from "../components/controls";
import { Loaded } from "../components/feedback";
import { taskLink } from "../lib/links";
import { GLYPHS, isActive, stateColour, stateKey } from "../lib/state";
import { edgePath, worstState } from "./shape";
import { usePanZoom } from "./usePanZoom";
import css from "./GraphView.module.css";

interface GraphViewProps {
  dag: string;
  run: string | null;
  version?: number | undefined;
}

export function GraphView({ dag, run, version }: GraphViewProps) {
  const graph = useQuery(graphQuery(dag, version));
  const tasks = useQuery({ ...tasksQuery(dag, run ?? ""), enabled: run !== null });
  const states = useMemo(() => statesByTask(run === null ? [] : (tasks.data?.task_instances ?? [])), [run, tasks.data]);
  const ready = run === null || tasks.data !== undefined || tasks.error !== null;
  return <Loaded query={{ ...graph, data: ready ? graph.data : undefined }}>{(data) => <Graph dag={dag} run={run} graph={data} states={states} />}</Loaded>;
}

/** One state a task: of mapped instances the one that needs attention most. */
function statesByTask(tis: TaskInstance[]): Map<string, string | null> {
  const found = new Map<string, (string | null)[]>();
  for (const ti of tis) found.set(ti.task_id, [...(found.get(ti.task_id) ?? []), ti.state]);
  return new Map([...found].map(([task, states]) => [task, worstState(states)]));
}

interface GraphProps {
  dag: string;
  run: string | null;
  graph: GraphResponse;
  states: Map<string, string | null>;
}

function Graph({ dag, run, graph, states }: GraphProps) {
  const { t } = useTranslation();
  // Opens where help is needed: at a failed task, else at one that runs.
  const attention = graph.nodes.find((node) => states.get(node.id) === "failed") ?? graph.nodes.find((node) => isActive(states.get(node.id)));
  const view = usePanZoom(graph.width, graph.height, attention ? { x: attention.x + attention.w / 2, y: attention.y + attention.h / 2 } : null);
  return (
    <div className={css.frame}>
      <svg ref={view.svg} className={css.canvas} aria-label={t("graph.label")} role="group" {...view.handlers}>
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
            <path d="M1 1 7 4 1 7" className={css.arrow} />
          </marker>
        </defs>
        <g ref={view.group}>
          {graph.edges.map((edge) => (
            <path key={`${edge.from}→${edge.to}`} className={css.edge} d={edgePath(edge.points)} markerEnd="url(#arrow)" />
          ))}
          {graph.nodes.map((node) => (
            <Node key={node.id} dag={dag} run={run} node={node} state={run === null ? undefined : (states.get(node.id) ?? null)} onFocus={() => view.show(node)} />
          ))}
        </g>
      </svg>
      <div className={css.tools}>
        <Button label={t("graph.zoomIn")} onClick={() => view.zoom(1.25)}>
          <Plus />
        </Button>
        <Button label={t("graph.zoomOut")} onClick={() => view.zoom(0.8)}>
          <Minus />
        </Button>
        <Button label={t("graph.fit")} onClick={view.fit}>
          <Maximize />
        </Button>
      </div>
    </div>
  );
}

interface NodeProps {
  dag: string;
  run: string | null;
  node: GraphNode;
  /** Undefined when no run is chosen. */
  state: string | null | undefined;
  onFocus: () => void;
}

const CHAR_W = 7.3;

function Node({ dag, run, node, state, onFocus }: NodeProps) {
  const { t } = useTranslation();
  const key = stateKey(state);
  const shown = state !== undefined;
  const room = Math.floor((node.w - (shown ? 46 : 24)) / CHAR_W);
  const label = node.label.length > room ? `${node.label.slice(0, Math.max(1, room - 1))}…` : node.label;
  const tip = [node.label, node.operator, node.trigger_rule === "all_success" ? "" : t("graph.rule", { rule: node.trigger_rule }), shown ? t(`state.${key}`) : ""];
  const body = (
    <g
      transform={`translate(${node.x} ${node.y})`}
      className={css.node}
      data-state={shown ? key : "unknown"}
      style={{ color: stateColour(state) }}
      data-tip={tip.filter(Boolean).join("\n")}
    >
      <rect className={css.box} width={node.w} height={node.h} rx="8" />
      {shown ? <path className={css.stripe} d={`M8 0H7.5A7.5 7.5 0 0 0 0 7.5V${node.h - 7.5}A7.5 7.5 0 0 0 7.5 ${node.h}H8Z`} /> : null}
      <text className={css.label} x={shown ? 18 : 12} y={node.h / 2 - 4}>
        {label}
      </text>
      <text className={css.operator} x={shown ? 18 : 12} y={node.h / 2 + 13}>
        {shown ? `${node.operator} · ${t(`state.${key}`)}` : node.operator}
      </text>
      {shown ? (
        <g transform={`translate(${node.w - 26} ${node.h / 2 - 8})`}>
          <rect className={css.plate} width="16" height="16" rx="4" />
          <path className={css.mark} d={GLYPHS[key]} />
        </g>
      ) : null}
    </g>
  );
  if (run === null) return body;
  return (
    <Link
      href={taskLink(dag, run, node.id)}
      className={css.link}
      draggable={false}
      // Only where the text on the node is cut: else the text itself is the name.
      aria-label={label === node.label ? undefined : t("graph.node", { task: node.label, operator: node.operator, state: t(`state.${key}`) })}
      onFocus={onFocus}
    >
      {body}
    </Link>
  );
}
