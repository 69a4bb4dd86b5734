/** A DAG file with line numbers. */

import { yamlPieces } from "../lib/yaml";
import css from "./Code.module.css";

/* oxlint-disable react/no-array-index-key -- lines and pieces have no other identity, and never move */
export function Code({ text }: { text: string }) {
  return (
    <pre className={css.code} tabIndex={0}>
      {text
        .replace(/\n$/, "")
        .split("\n")
        .map((line, i) => (
          <span key={i} className={css.line}>
            {yamlPieces(line).map((piece, n) => (
              <span key={n} className={css[piece.kind]}>
                {piece.text}
              </span>
            ))}
            {"\n"}
          </span>
        ))}
    </pre>
  );
}
