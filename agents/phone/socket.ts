/** The WebSocket under the phone, for JsSIP; it also knows when the far end last spoke and can be dropped. */

import type { Socket } from "jssip";

export class WatchedSocket implements Socket {
  readonly via_transport: string;
  readonly sip_uri: string;
  heardAt = 0;
  onconnect = (): void => {};
  ondisconnect = (_error: boolean, _code?: number, _reason?: string): void => {};
  ondata = (_data: unknown): void => {};
  /** A message of the exchange, before the phone reads it. */
  onarrival = (_message: string): void => {};
  #socket: WebSocket | null = null;

  constructor(readonly url: string) {
    const { protocol, host } = new URL(url);
    this.via_transport = protocol === "wss:" ? "WSS" : "WS";
    this.sip_uri = `sip:${host};transport=ws`;
  }

  connect(): void {
    this.disconnect();
    const socket = new WebSocket(this.url, "sip");
    this.#socket = socket;
    socket.onopen = () => this.#current(socket) && this.onconnect();
    socket.onmessage = ({ data }) => {
      if (!this.#current(socket)) return;
      this.heardAt = performance.now();
      this.onarrival(String(data));
      this.ondata(data);
    };
    socket.onclose = ({ wasClean, code, reason }) => {
      if (this.#current(socket)) this.#lost(!wasClean, code, reason);
    };
  }

  disconnect(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  isConnected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  isConnecting(): boolean {
    return this.#socket?.readyState === WebSocket.CONNECTING;
  }

  /** Give up a connection that no longer answers: its own close could take minutes to be noticed. */
  drop(): void {
    if (!this.#socket) return;
    this.disconnect();
    this.ondisconnect(true, 4000, "silent");
  }

  send(message: string): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(message);
    return true;
  }

  #lost(error: boolean, code: number, reason: string): void {
    this.#socket = null;
    this.ondisconnect(error, code, reason);
  }

  #current(socket: WebSocket): boolean {
    return this.#socket === socket;
  }
}
