import type { AdminContext } from "#admin/index.ts";
import { createAccount, inlineSlowHash, Passwords } from "#auth/index.ts";
import { errorText } from "#base/assert.ts";
import type { Log } from "#base/log.ts";
import { systemRandom } from "#base/random.ts";
import type { Settings } from "#config/index.ts";
import { demoMessages } from "./demo-mail.ts";

/** The account of a trial; everybody knows its password, so it is for loopback only. */
export const demoAccount = { name: "demo", address: "demo@localhost", password: "demo" } as const;

/** A place to listen at from which a demo account would be open to the network, or undefined. */
export function openToOthers(settings: Settings): string | undefined {
  return settings.listeners
    .flatMap(({ hosts }) => hosts ?? [])
    .find((host) => host !== "localhost" && host !== "::1" && !host.startsWith("127."));
}

/** Makes the demo account with sample mail where it is not there yet. */
export async function prepareDemo(context: AdminContext, log: Log): Promise<void> {
  const { name, address, password } = demoAccount;
  if ((await context.accounts.directory.findLogin(name)) !== undefined) return;
  // Threads would take longer to start than one password takes, and nobody is logged in yet.
  const passwords = new Passwords({ random: systemRandom, slow: inlineSlowHash });
  const { directory } = context.accounts;
  await createAccount({ directory, passwords }, { name, addresses: [address] }, password);
  try {
    const { delivery } = await context.mail();
    const recipient = await delivery.resolve(address, 0);
    for (const { sender, content } of demoMessages(context.clock.now())) {
      const [outcome] = await delivery.deliver({ sender, content }, [recipient]);
      if (outcome !== undefined && outcome.error !== null)
        throw new Error(errorText(outcome.error), { cause: outcome.error });
    }
  } catch (error) {
    log.warn({ reason: errorText(error) }, "The sample mail could not be delivered");
  }
}
