import type { Clock } from "./clock.ts";

/** Something outside did not answer in time. */
export class DeadlineExceeded extends Error {
  override readonly name = "DeadlineExceeded";
}

/** `work`, or a rejection with `DeadlineExceeded` after `ms` milliseconds. The work itself goes on. */
export function withDeadline<T>(
  clock: Clock,
  ms: number,
  what: string,
  work: Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () =>
      reject(new DeadlineExceeded(`${what} took longer than ${ms} ms`)),
    );
    work.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
