/** Server-sent events from a fetch body: EventSource cannot send an Authorization header. */

export interface SseMessage {
  id: string | null;
  data: string;
}

/** Feeds text in any pieces, gives whole messages out. Comments and unknown fields are skipped. */
export class SseParser {
  #buffer = "";
  #data: string[] = [];
  #id: string | null = null;

  push(text: string): SseMessage[] {
    this.#buffer += text;
    const messages: SseMessage[] = [];
    for (;;) {
      const end = this.#buffer.search(/\r\n|\n|\r(?!$)/);
      if (end < 0) return messages;
      const line = this.#buffer.slice(0, end);
      this.#buffer = this.#buffer.slice(this.#buffer.startsWith("\r\n", end) ? end + 2 : end + 1);
      const message = this.#line(line);
      if (message) messages.push(message);
    }
  }

  #line(line: string): SseMessage | null {
    if (line === "") {
      const message = this.#data.length > 0 ? { id: this.#id, data: this.#data.join("\n") } : null;
      this.#data = [];
      return message;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    if (field === "id") this.#id = value;
    return null;
  }
}
