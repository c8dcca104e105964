import * as v from "valibot";
import { defineOperation } from "./operation.ts";
import type { SessionSummary } from "./operation.ts";

/** Who is connected, parked or not. */
export const operation = defineOperation({
  params: v.strictObject({
    /** Only this login name. */
    name: v.optional(v.string()),
  }),
  async run(context, { name }): Promise<readonly SessionSummary[]> {
    const all = context.sessions();
    return name === undefined ? all : all.filter((session) => session.name === name);
  },
});
