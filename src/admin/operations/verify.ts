import { Refusal } from "#base/assert.ts";
import * as v from "valibot";
import { defineOperation } from "./operation.ts";
import type { VerifyReport } from "./operation.ts";

/** Reads everything that is stored and checks it; `repair` rebuilds what can be rebuilt. */
export const operation = defineOperation({
  params: v.strictObject({ repair: v.optional(v.boolean(), false) }),
  async run(context, { repair }, call): Promise<VerifyReport> {
    const desk = await context.mail({ repair });
    if (desk.verify === undefined)
      throw new Refusal("UNAVAILABLE", "This store cannot be verified");
    return desk.verify({ repair, progress: (done, total) => call.progress(done, total) });
  },
});
