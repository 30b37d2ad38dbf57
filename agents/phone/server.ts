/** Words with the server: every act is one request, and an answer is either its data or a Refusal. */

/** The server said no, or was not there (`away`). `fields` has a sentence per field of the form. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly away: boolean,
    readonly fields: Readonly<Record<string, string>> = {},
    readonly code = "",
  ) {
    super(message);
  }
}

/** How the server words a fault. */
interface Said { code?: string; message?: string; remedy?: string; fields?: Record<string, string> }

const PATIENCE_MILLISECONDS = 8000;

async function ask(method: string, path: string, body?: BodyInit, type?: string): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (type) headers["Content-Type"] = type;
  let answer: Response;
  try {
    const signal = AbortSignal.timeout(PATIENCE_MILLISECONDS);
    answer = await fetch(path, { method, headers, signal, ...(body === undefined ? {} : { body }) });
  } catch {
    throw new Refusal("", true);
  }
  if (answer.ok) return answer;
  const { error } = (await answer.json().catch(() => ({}))) as { error?: Said };
  const sentence = [error?.message, error?.remedy].filter(Boolean).join(" ");
  throw new Refusal(sentence, answer.status >= 500 && !sentence, error?.fields, error?.code);
}

export async function get<T>(path: string): Promise<T> {
  return (await ask("GET", path)).json() as Promise<T>;
}

export async function getText(path: string): Promise<string> {
  return (await ask("GET", path)).text();
}

export async function post<T>(path: string, fields: Readonly<Record<string, string>> = {}): Promise<T> {
  return (await ask("POST", path, new URLSearchParams(fields))).json() as Promise<T>;
}

export async function put<T>(path: string, data: unknown): Promise<T> {
  return (await ask("PUT", path, JSON.stringify(data), "application/json")).json() as Promise<T>;
}
