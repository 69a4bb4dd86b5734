/** The state of the trigger form: one conf, the texts being typed, and the JSON text in sync with both. */

import { useMemo, useState } from "react";
import { checkValue, fieldsOf, parseConf, parseText, prettyJson, textOf } from "./params";
import type { Conf, ParamField, Problem } from "./params";
import type { ParamsResponse } from "../api/types";

export interface ConfForm {
  fields: ParamField[];
  /** Params of the conf that have no field. */
  extra: string[];
  text(field: ParamField): string;
  problem(field: ParamField): Problem | null;
  json: string;
  jsonProblem: Problem | null;
  edit(field: ParamField, text: string): void;
  editJson(text: string): void;
  reset(): void;
  conf: Conf;
  valid: boolean;
}

/** `start` is what the form shows first: the defaults, or a copied run's conf over them. */
export function useConfForm(params: ParamsResponse, copied: Conf | null): ConfForm {
  const start = useMemo(() => ({ ...params.defaults, ...copied }), [params.defaults, copied]);
  const [conf, setConf] = useState<Conf>(start);
  // Texts that differ from what their value would show: half-typed numbers, broken JSON.
  const [drafts, setDrafts] = useState<Record<string, string>>({});
  const [jsonDraft, setJsonDraft] = useState<string | null>(null);
  const fields = useMemo(() => fieldsOf(params.schema, params.defaults), [params]);

  const parsed = (field: ParamField) => parseText(field, drafts[field.name] ?? textOf(field, conf[field.name]));
  const problem = (field: ParamField): Problem | null => {
    if (!(field.name in drafts)) return checkValue(field, conf[field.name]);
    const result = parsed(field);
    return "problem" in result ? result.problem : checkValue(field, result.value);
  };
  const jsonResult = jsonDraft === null ? null : parseConf(jsonDraft);
  const jsonProblem = jsonResult && "problem" in jsonResult ? jsonResult.problem : null;

  return {
    fields,
    extra: Object.keys(conf).filter((name) => !fields.some((field) => field.name === name)),
    text: (field) => drafts[field.name] ?? textOf(field, conf[field.name]),
    problem,
    json: jsonDraft ?? prettyJson(conf),
    jsonProblem,
    edit(field, text) {
      setDrafts((now) => ({ ...now, [field.name]: text }));
      setJsonDraft(null);
      const result = parseText(field, text);
      if ("problem" in result) return;
      setConf((now) => {
        const next = { ...now };
        if (result.value === undefined) delete next[field.name];
        else next[field.name] = result.value;
        return next;
      });
    },
    editJson(text) {
      setJsonDraft(text);
      const result = parseConf(text);
      if ("problem" in result) return;
      setConf(result.conf);
      setDrafts({});
    },
    reset() {
      setConf(params.defaults);
      setDrafts({});
      setJsonDraft(null);
    },
    conf,
    valid: jsonProblem === null && fields.every((field) => problem(field) === null),
  };
}
