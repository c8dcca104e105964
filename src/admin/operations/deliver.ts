import { Refusal, errorText } from "#base/assert.ts";
import { concatBytes } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import type { Recipient } from "#delivery/index.ts";
import * as v from "valibot";
import { defineOperation } from "./operation.ts";
import type { OperationCall } from "./operation.ts";

export interface DeliveryReport {
  readonly bytes: number;
  readonly recipients: readonly {
    readonly address: string;
    /** Null where the message is durable, else why it is not there. */
    readonly error: string | null;
  }[];
}

/** Delivers the message in the input as mail that arrives; line ends may be of any kind. */
export const operation = defineOperation({
  params: v.strictObject({
    to: v.pipe(v.array(v.string()), v.minLength(1, "expected at least one address")),
    from: v.optional(v.string(), ""),
  }),
  async run(context, { to, from }, call): Promise<DeliveryReport> {
    const { delivery } = await context.mail();
    const content = await readMessage(call);
    const known: Recipient[] = [];
    const errors = new Map<string, string>();
    for (const address of to)
      try {
        known.push(await delivery.resolve(address, content.length));
      } catch (error) {
        errors.set(address, refusalText(error));
      }
    for (const { recipient, error } of await delivery.deliver({ sender: from, content }, known))
      if (error !== null) errors.set(recipient.address, refusalText(error));
    const recipients = to.map((address) => ({ address, error: errors.get(address) ?? null }));
    return { bytes: content.length, recipients };
  },
});

async function readMessage(call: OperationCall): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of call.input) {
    bytes += part.length;
    if (bytes > limits.messageBytesMax)
      throw new Refusal("TOOBIG", `A message may have ${limits.messageBytesMax} bytes`);
    parts.push(part);
  }
  if (bytes === 0) throw new Refusal("CANNOT", "The message is empty");
  return concatBytes(parts);
}

/** What went wrong with one recipient; a bug is nobody's recipient's. */
function refusalText(error: unknown): string {
  if (error instanceof Refusal) return errorText(error);
  throw error;
}
