import * as v from "valibot";
import { Refusal } from "#base/assert.ts";
import type { AdminContext, OperationCall } from "./operation.ts";
import { findOperation } from "./table.ts";

/** Parameters that an operation does not take. */
export class ParameterError extends Error {
  override readonly name = "ParameterError";
}

/**
 * Runs an operation by name with parameters from outside. Throws `ParameterError` where they do
 * not fit, `Refusal` NONEXISTENT where there is no such operation, and what the operation throws.
 */
export async function runOperation(
  context: AdminContext,
  request: { readonly name: string; readonly params: unknown },
  call: OperationCall,
): Promise<unknown> {
  const operation = await findOperation(request.name);
  if (operation === undefined)
    throw new Refusal("NONEXISTENT", `There is no operation "${request.name}"`);
  const checked = v.safeParse(operation.params, request.params);
  if (!checked.success) {
    const problems = checked.issues.map(
      (issue) => `${v.getDotPath(issue) ?? "parameters"}: ${issue.message}`,
    );
    throw new ParameterError(problems.join("; "));
  }
  return operation.run(context, checked.output, call);
}
