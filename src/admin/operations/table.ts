import type { GenericSchema } from "valibot";
import type { Operation } from "./operation.ts";

type Loaded = { readonly operation: Operation };

/** Every operation by its name. They are loaded when they are called: commands start fast. */
const loaders = {
  "user.add": () => import("./user-add.ts"),
  "user.list": () => import("./user-list.ts"),
  "user.passwd": () => import("./user-passwd.ts"),
  "user.disable": () => import("./user-disable.ts"),
  "user.remove": () => import("./user-remove.ts"),
  "mailbox.list": () => import("./mailbox-list.ts"),
  "message.list": () => import("./message-list.ts"),
  "message.export": () => import("./message-export.ts"),
  deliver: () => import("./deliver.ts"),
  verify: () => import("./verify.ts"),
  stats: () => import("./stats.ts"),
  who: () => import("./who.ts"),
} as const;

export type OperationName = keyof typeof loaders;

type Module<N extends OperationName> = Awaited<ReturnType<(typeof loaders)[N]>>["operation"];

/** What an operation is called with. */
export type OperationParams<N extends OperationName> =
  Module<N> extends Operation<infer S>
    ? S extends GenericSchema<infer Input>
      ? Input
      : never
    : never;

/** What it gives. */
export type OperationResult<N extends OperationName> = Awaited<ReturnType<Module<N>["run"]>>;

export const operationNames = Object.keys(loaders) as readonly OperationName[];

/** The operation with this name, or undefined. */
export async function findOperation(name: string): Promise<Loaded["operation"] | undefined> {
  if (!Object.hasOwn(loaders, name)) return undefined;
  const loaded = (await loaders[name as OperationName]()) as unknown as Loaded;
  return loaded.operation;
}
