import { createServer } from "./node-http.ts";
import type { Server } from "node:http";
import type { Metrics } from "#base/metrics.ts";

export interface MonitoringParts {
  readonly metrics: Metrics;
  /** Undefined while all is well, else what is not. */
  health(): string | undefined;
}

/** /metrics for Prometheus and /healthz for whoever restarts servers. Shows no mail and no names. */
export function createMonitoringServer(parts: MonitoringParts): Server {
  return createServer((request, response) => {
    const send = (status: number, text: string): void => {
      response.writeHead(status, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
      response.end(text);
    };
    const path = request.url?.split("?")[0];
    if (request.method !== "GET") send(405, "Only GET\n");
    else if (path === "/healthz") {
      const trouble = parts.health();
      send(trouble === undefined ? 200 : 503, `${trouble ?? "ok"}\n`);
    } else if (path === "/metrics") send(200, parts.metrics.page());
    else send(404, "There are /metrics and /healthz\n");
  });
}
