/** One visit's WebSocket, for JsSIP. It is opened once: its token is used up, and a call has only one. */

import type { Socket } from "jssip";

export class VisitSocket implements Socket {
  readonly via_transport = "WS";
  readonly sip_uri: string;
  onconnect = (): void => {};
  ondisconnect = (_error: boolean, _code?: number, _reason?: string): void => {};
  ondata = (_data: unknown): void => {};
  #socket: WebSocket | null = null;

  /** `told`: what the relay says in words of its own; `closed`: its code, once. */
  constructor(
    readonly url: string,
    private readonly told: (word: { phase?: string }) => void,
    private readonly closed: (code: number) => void,
  ) {
    this.sip_uri = `sip:${new URL(url).host};transport=ws`;
  }

  connect(): void {
    if (this.#socket) return;
    const socket = new WebSocket(this.url, "sip");
    this.#socket = socket;
    socket.onopen = () => this.onconnect();
    socket.onmessage = ({ data }) => {
      if (typeof data === "string" && data.startsWith("{")) this.told(JSON.parse(data) as { phase?: string });
      else this.ondata(data);
    };
    socket.onclose = ({ wasClean, code, reason }) => {
      this.ondisconnect(!wasClean, code, reason);
      this.closed(code);
    };
  }

  disconnect(): void {
    this.#socket?.close();
  }

  isConnected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  isConnecting(): boolean {
    return this.#socket?.readyState === WebSocket.CONNECTING;
  }

  send(message: string): boolean {
    if (!this.isConnected()) return false;
    this.#socket?.send(message);
    return true;
  }
}
