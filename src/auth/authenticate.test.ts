import assert from "node:assert/strict";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { utf8 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { silentLog } from "#base/log.ts";
import type { LogFields } from "#base/log.ts";
import { seededRandom } from "#base/random.ts";
import { changePassword, createAccount, createAppPassword } from "./accounts.ts";
import { Authenticator } from "./authenticate.ts";
import { openSqliteDirectory } from "./directories/sqlite.ts";
import type { SqliteDirectory } from "./directories/sqlite.ts";
import { ManualClock } from "#base/testing.ts";
import { derive } from "./passwords/derive.ts";
import type { SlowWork } from "./passwords/derive.ts";
import { Passwords } from "./passwords/passwords.ts";
import type { ScramChallenge, ScramProof } from "./sasl/exchange.ts";
import { LoginThrottle } from "./throttle.ts";

const peer = { address: "192.0.2.1" };

interface World {
  readonly clock: ManualClock;
  readonly directory: SqliteDirectory;
  readonly passwords: Passwords;
  readonly authenticator: Authenticator;
  /** Slow work since it was last emptied. */
  readonly slow: SlowWork["kind"][];
  readonly logged: LogFields[];
  /** "name" of who is in, or the refusal; time passes as needed. */
  login(name: string, password: string): Promise<string>;
}

/** alice with the password "secret", bob disabled with the same. */
async function world(t: TestContext, options: { rehash?: boolean } = {}): Promise<World> {
  const clock = new ManualClock();
  const random = seededRandom(11);
  const slow: SlowWork["kind"][] = [];
  const logged: LogFields[] = [];
  const passwords = new Passwords({
    random,
    slow: {
      derive: async (work, password) => {
        slow.push(work.kind);
        return derive(work, password);
      },
      close: async () => {},
    },
  });
  const directory = openSqliteDirectory({ path: ":memory:", clock, random });
  t.after(() => directory.close());
  const desk = { directory, passwords };
  await createAccount(desk, { name: "alice@example.org", quota: { messages: 9 } }, "secret");
  const bob = await createAccount(desk, { name: "bob@example.org" }, "secret");
  await directory.setDisabled(bob.accountId, true);
  slow.length = 0;
  const authenticator = new Authenticator({
    directory,
    passwords,
    clock,
    random,
    log: { ...silentLog, info: (fields) => void logged.push(fields) },
    throttle: new LoginThrottle({ clock }),
    ...options,
  });
  const login = async (name: string, password: string): Promise<string> => {
    const outcome = authenticator.verify(name, password, peer).then(
      (identity) => identity.name,
      (error: Error & { code?: string }) => `${error.code} ${error.message}`,
    );
    const state = { settled: false };
    void outcome.then(() => (state.settled = true));
    while (!state.settled) {
      await clock.advance(50);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return outcome;
  };
  return { clock, directory, passwords, authenticator, slow, logged, login };
}

const refusal = "AUTHENTICATIONFAILED Invalid user name or password";

test("the right password is let in, and hashed once for a while", async (t) => {
  const { authenticator, slow, clock } = await world(t);
  const identity = await authenticator.verify("ALICE@example.org", "secret", peer);
  assert.equal(identity.name, "alice@example.org");
  assert.equal(identity.tenant, "default");
  assert.deepEqual(identity.quota, { messages: 9 });
  assert.deepEqual(slow, ["argon2"]);
  assert.deepEqual(await authenticator.verify("alice@example.org", "secret", peer), identity);
  assert.deepEqual(slow, ["argon2"]);
  await clock.advance(limits.verifiedLoginMs);
  await authenticator.verify("alice@example.org", "secret", peer);
  assert.deepEqual(slow, ["argon2", "argon2"]);
});

test("unknown, wrong and disabled look alike, do the same work and take the same time", async (t) => {
  const { login, slow, logged, clock } = await world(t);
  const failures: [string, string, string][] = [
    ["alice@example.org", "wrong", "wrong password"],
    ["nobody@example.org", "secret", "unknown name"],
    ["bob@example.org", "secret", "disabled account"],
    ["bob@example.org", "wrong", "wrong password"],
    ["", "secret", "unknown name"],
    ["al ice\0", "x", "unknown name"],
  ];
  for (const [name, password, failure] of failures) {
    slow.length = 0;
    await clock.advance(20 * limits.penaltyDecayMs);
    const began = clock.now();
    assert.equal(await login(name, password), refusal);
    assert.deepEqual(slow, ["argon2"], name);
    assert.equal(clock.now() - began, limits.loginRefusalMsMin, name);
    assert.equal(logged.at(-1)?.["failure"], failure);
  }
  assert.ok(!JSON.stringify(logged).includes("secret"));
});

test("failures delay the next attempts, but not a password that was right just now", async (t) => {
  const { login, clock } = await world(t);
  assert.equal(await login("alice@example.org", "secret"), "alice@example.org");
  for (let i = 0; i < 3; i++) await login("alice@example.org", `wrong ${i}`);
  let began = clock.now();
  assert.equal(await login("alice@example.org", "secret"), "alice@example.org");
  assert.ok(clock.now() - began < 200);
  began = clock.now();
  assert.equal(await login("nobody@example.org", "x"), refusal);
  assert.ok(clock.now() - began >= 8_000);
});

test("a changed password ends what was verified before", async (t) => {
  const { login, directory, passwords } = await world(t);
  const desk = { directory, passwords };
  assert.equal(await login("alice@example.org", "secret"), "alice@example.org");
  const alice = (await directory.findLogin("alice@example.org"))!;
  await changePassword(desk, alice, "better");
  assert.equal(await login("alice@example.org", "secret"), refusal);
  assert.equal(await login("alice@example.org", "better"), "alice@example.org");
  await directory.setDisabled(alice.accountId, true);
  assert.equal(await login("alice@example.org", "better"), refusal);
});

test("app passwords log in until they are removed, at no slow cost", async (t) => {
  const { login, directory, passwords, slow } = await world(t);
  const alice = (await directory.findLogin("alice@example.org"))!;
  const made = await createAppPassword({ directory, passwords }, alice, "phone");
  slow.length = 0;
  assert.equal(await login("alice@example.org", made.password), "alice@example.org");
  assert.deepEqual(slow, []);
  assert.equal(await login("alice@example.org", "wrong"), refusal);
  assert.deepEqual(slow, ["argon2"], "as much as without app passwords");
  await directory.removeAppPassword(alice.accountId, "phone");
  assert.equal(await login("alice@example.org", made.password), refusal);
});

test("an imported password works, and is stored anew when asked", async (t) => {
  const { login, directory, authenticator, slow } = await world(t, { rehash: true });
  const imported = "{SSHA}dj2lH1ocucmj5OQsjP6mQrVx6FhOYUNs";
  const name = "dave";
  const { accountId } = await directory.addAccount({ name, hashes: [imported] });
  assert.equal(await login(name, "wrong"), refusal);
  assert.deepEqual(slow, ["argon2"], "as much as for an unknown name");
  assert.equal(await login(name, "secret"), name);
  await authenticator.close();
  const [main] = (await directory.findLogin(name))!.passwords;
  assert.deepEqual(
    main?.hashes.map((hash) => hash.slice(0, hash.indexOf("}") + 1)),
    ["{ARGON2ID}", "{SCRAM-SHA-256}", "{SCRAM-SHA-1}"],
  );
  assert.equal(await login(name, "secret"), name);
  await directory.setPassword(accountId, ["{PLAIN}"]);
  assert.equal(await login(name, ""), refusal, "an empty password is none");
});

/** A client's proof for the challenge. RFC 5802 §3 */
function proofOf(challenge: ScramChallenge, password: string): ScramProof {
  const { hash, salt, iterations } = challenge;
  const salted = pbkdf2Sync(password, salt, iterations, hash === "sha1" ? 20 : 32, hash);
  const clientKey = createHmac(hash, salted).update("Client Key").digest();
  const storedKey = createHash(hash).update(clientKey).digest();
  const authMessage = utf8("the whole conversation");
  const signature = createHmac(hash, storedKey).update(authMessage).digest();
  return { authMessage, clientProof: clientKey.map((byte, i) => byte ^ signature[i]!), peer };
}

test("SCRAM: main and app passwords prove themselves by one salt", async (t) => {
  const { directory, passwords, authenticator, clock } = await world(t);
  const desk = { directory, passwords };
  const find = async () => (await directory.findLogin("alice@example.org"))!;
  const { password } = await createAppPassword(desk, await find(), "phone");
  for (const hash of ["sha1", "sha256"] as const)
    for (const right of ["secret", password]) {
      const challenge = await authenticator.scramChallenge("Alice@example.org", hash);
      const success = await authenticator.verifyScram(challenge, proofOf(challenge, right));
      assert.equal(success.identity.name, "alice@example.org");
    }
  const before = await authenticator.scramChallenge("alice@example.org", "sha256");
  await changePassword(desk, await find(), "better");
  const after = await authenticator.scramChallenge("alice@example.org", "sha256");
  assert.deepEqual(after.salt, before.salt, "the app password keeps its salt");
  await authenticator.verifyScram(after, proofOf(after, "better"));
  const wrong = authenticator.verifyScram(after, proofOf(after, "secret"));
  await Promise.all([assert.rejects(wrong, /Invalid user/), clock.advance(1_000)]);
});

test("SCRAM: names that nobody has get a salt that stays, and nothing proves them", async (t) => {
  const { authenticator, directory, clock } = await world(t);
  const challenge = await authenticator.scramChallenge("nobody@example.org", "sha256");
  const again = await authenticator.scramChallenge("NOBODY@example.org", "sha256");
  const other = await authenticator.scramChallenge("nobody2@example.org", "sha256");
  const real = await authenticator.scramChallenge("alice@example.org", "sha256");
  assert.deepEqual(again.salt, challenge.salt);
  assert.notDeepEqual(other.salt, challenge.salt);
  assert.equal(real.salt.length, challenge.salt.length);
  assert.equal(real.iterations, challenge.iterations);
  assert.deepEqual(challenge.verifiers, []);
  await directory.addAccount({ name: "dave", hashes: ["{PLAIN}secret"] });
  const dave = await authenticator.scramChallenge("dave", "sha1");
  const bob = await authenticator.scramChallenge("bob@example.org", "sha1");
  for (const none of [challenge, dave, bob]) {
    const refused = authenticator.verifyScram(none, proofOf(none, "secret"));
    await Promise.all([assert.rejects(refused, /Invalid user/), clock.advance(30_000)]);
  }
});
