/**
 * The administration's part of roost.config.ts. Declares; nothing is opened here.
 */
import * as v from "valibot";

/** Where the page for monitoring (/metrics, /healthz) is served; false: nowhere. */
export const httpSettings = v.optional(
  v.union(
    [
      v.literal(false),
      v.strictObject({
        /** An IPv6 address may stand in brackets, as in a URL. */
        host: v.optional(
          v.pipe(
            v.string(),
            v.nonEmpty(),
            v.transform((text) => text.replace(/^\[(.*:.*)\]$/, "$1")),
          ),
          "127.0.0.1",
        ),
        port: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535)),
      }),
    ],
    "expected { host, port } with a port from 0 to 65535, or false",
  ),
  { port: 1080 },
);

export type HttpSettings = v.InferOutput<typeof httpSettings>;
