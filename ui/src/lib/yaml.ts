/** Just enough of YAML's look to colour a DAG file. Not a parser: a wrong guess only costs a colour. */

export interface CodePiece {
  kind: "key" | "comment" | "string" | "template" | "plain";
  text: string;
}

const TOKEN = /(?<comment>(?:^|\s)#.*$)|(?<template>\{\{.*?\}\}|\{%.*?%\})|(?<key>^\s*(?:- )?[\w.-]+(?=:(?:\s|$)))|(?<string>"(?:[^"\\{]|\\.|\{(?![{%]))*"|'(?:[^'{]|\{(?![{%]))*')/g;

/** One line in coloured pieces; joined they are the line again. */
export function yamlPieces(line: string): CodePiece[] {
  const pieces: CodePiece[] = [];
  let at = 0;
  for (const found of line.matchAll(TOKEN)) {
    if (found.index > at) pieces.push({ kind: "plain", text: line.slice(at, found.index) });
    const [kind] = Object.entries(found.groups ?? {}).find(([, text]) => text !== undefined) ?? ["plain"];
    pieces.push({ kind: kind as CodePiece["kind"], text: found[0] });
    at = found.index + found[0].length;
  }
  if (at < line.length) pieces.push({ kind: "plain", text: line.slice(at) });
  return pieces;
}
