import { Passwords, PasswordThreads } from "#auth/index.ts";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";

/**
 * Loads what a server loads after its modules: the code of the threads that compute passwords. Node
 * keeps what was loaded as compiled code.
 */
export async function fillCache(): Promise<void> {
  const slow = new PasswordThreads({ clock: systemClock, threads: 1 });
  await new Passwords({ random: systemRandom, slow }).hashes("none");
  await slow.close();
}
