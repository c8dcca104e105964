/** A command cannot go on as it was called. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A file that was named cannot be read. */
export class InputError extends Error {
  override readonly name = "InputError";
}
