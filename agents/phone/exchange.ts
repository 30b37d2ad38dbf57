/** The way to the exchange: registration kept alive over one WebSocket, and where it stands. No calls here. */

import { UA } from "jssip";
import type { UAConfiguration } from "jssip/lib/UA.js";
import { NET, next, type NetEvent, type NetState } from "./states.js";
import { WatchedSocket } from "./socket.js";

/** GET /phone/settings. Durations in seconds. */
export interface PhoneSettings {
  ws: string;
  uri: string;
  endpoint: string;
  secret: string;
  name: string;
  extension: string;
  leader: string;
  ring_seconds: number;
  wrapup_seconds: number;
}

const SILENCE_SECONDS = 20; // nothing heard for so long: ask whether anybody is there
const ANSWER_SECONDS = 5; // and give up the connection when nobody says so
const RETRY_SECONDS = { least: 1, most: 8 };
const REFUSED_SECONDS = 5; // the secret is over with its log-in: fetch the one of today and try again

export class Exchange {
  state: NetState = "off";
  readonly ua: UA;
  readonly #socket: WatchedSocket;
  readonly #timer: number;

  constructor(
    readonly settings: PhoneSettings,
    private readonly changed: (state: NetState) => void,
    private readonly freshSettings: () => Promise<PhoneSettings>,
    arrival: (message: string) => void,
  ) {
    this.#socket = new WatchedSocket(settings.ws);
    this.#socket.onarrival = arrival;
    this.ua = new UA(this.#configuration());
    this.ua.on("connected", () => this.#tell("connected"));
    this.ua.on("disconnected", () => this.#tell("disconnected"));
    this.ua.on("registered", () => this.#tell("registered"));
    this.ua.on("registrationFailed", () => this.#refused());
    addEventListener("offline", this.#offline);
    addEventListener("online", this.#online);
    this.#timer = setInterval(() => this.#listen(), ANSWER_SECONDS * 1000);
  }

  start(): void {
    this.#tell("start");
    this.ua.start();
  }

  /** Our place may have gone with another log-in of hers: say again that we are here. */
  again(): void {
    if (this.ua.isConnected()) this.ua.register();
  }

  stop(): void {
    clearInterval(this.#timer);
    removeEventListener("offline", this.#offline);
    removeEventListener("online", this.#online);
    this.#tell("stop");
    this.ua.stop();
  }

  #configuration(): UAConfiguration {
    const { uri, endpoint, secret, name } = this.settings;
    return {
      sockets: [this.#socket],
      uri,
      authorization_user: endpoint,
      password: secret,
      display_name: name,
      register_expires: 120,
      connection_recovery_min_interval: RETRY_SECONDS.least,
      connection_recovery_max_interval: RETRY_SECONDS.most,
      user_agent: "hotline desk",
    };
  }

  #tell(event: NetEvent): void {
    const state = next(NET, this.state, event);
    if (state === null || state === this.state) return;
    this.state = state;
    this.changed(state);
  }

  #offline = (): void => {
    this.#tell("offline");
    this.#socket.drop();
  };

  /** The network is back, perhaps another one: the old connection is not worth waiting for. */
  #online = (): void => {
    this.#tell("online");
    this.#socket.drop();
  };

  #listen(): void {
    if (!this.ua.isConnected()) return;
    const silent = (performance.now() - this.#socket.heardAt) / 1000;
    if (silent > SILENCE_SECONDS + 2 * ANSWER_SECONDS) this.#socket.drop();
    else if (silent > SILENCE_SECONDS) this.ua.register();
  }

  #refused(): void {
    if (!this.ua.isConnected()) return;
    this.#tell("refused");
    setTimeout(() => void this.#renew(), REFUSED_SECONDS * 1000);
  }

  /** Nobody is logged in: nothing to register with until somebody is, in whatever tab. A call goes on. */
  async #renew(): Promise<void> {
    if (this.state !== "refused") return;
    const fresh = await this.freshSettings().catch(() => null);
    if (this.state !== "refused") return;
    if (!fresh) return void setTimeout(() => void this.#renew(), REFUSED_SECONDS * 1000);
    this.ua.set("password", fresh.secret);
    if (this.ua.isConnected()) this.ua.register();
  }
}
