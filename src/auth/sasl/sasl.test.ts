import assert from "node:assert/strict";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import type { AccountId, TenantId } from "#base/brand.ts";
import { concatBytes, fromUtf8, utf8 } from "#base/bytes.ts";
import type { Identity } from "../identity.ts";
import type { SaslContext, SaslExchange, ScramChallenge } from "./exchange.ts";
import { mechanisms, startExchange } from "./mechanisms.ts";
import { ScramExchange } from "./scram.ts";
import { provesScram, scramKeys, serverSignature } from "./scram-keys.ts";
import type { ScramHash } from "./scram-keys.ts";

const identity: Identity = {
  accountId: "aaaaaaaaaaaaaaaa" as AccountId,
  tenant: "default" as TenantId,
  name: "user",
  quota: {},
};

interface World {
  readonly salt?: Uint8Array;
  readonly iterations?: number;
  readonly nonce?: string;
  readonly names?: string[];
  readonly binding?: Readonly<Record<string, Uint8Array>>;
}

/** Knows one user, "user", whose password is "pencil". */
function context(world: World = {}): SaslContext {
  const { salt = utf8("0123456789abcdef"), iterations = 50 } = world;
  return {
    peer: { address: "192.0.2.1" },
    nonce: () => world.nonce ?? "server-nonce",
    channelBinding: (type) => world.binding?.[type],
    credentials: {
      async verify(name, password) {
        world.names?.push(name);
        if (name === "user" && password === "pencil") return identity;
        throw new Refusal("AUTHENTICATIONFAILED", "no");
      },
      async scramChallenge(name, hash): Promise<ScramChallenge> {
        world.names?.push(name);
        const length = hash === "sha1" ? 20 : 32;
        const salted = pbkdf2Sync("pencil", salt, iterations, length, hash);
        const verifier = { hash, salt, iterations, ...scramKeys(hash, salted) };
        return { name, hash, salt, iterations, verifiers: name === "user" ? [verifier] : [] };
      },
      async verifyScram(challenge, { authMessage, clientProof }) {
        for (const verifier of challenge.verifiers)
          if (provesScram(verifier, authMessage, clientProof))
            return { identity, serverSignature: serverSignature(verifier, authMessage) };
        throw new Refusal("AUTHENTICATIONFAILED", "no");
      },
    },
  };
}

async function say(exchange: SaslExchange, text: string | undefined): Promise<string> {
  const step = await exchange.step(text === undefined ? undefined : utf8(text));
  if (step.kind === "challenge") return fromUtf8(step.data);
  assert.equal(step.identity, identity);
  return `done ${step.data === undefined ? "" : fromUtf8(step.data)}`;
}

const refused = (code: string, text = /./) => ({ name: "Refusal", code, message: text });
const failed = refused("AUTHENTICATIONFAILED");

/** The client's last message, as a client of its own would make it. RFC 5802 §3 */
function clientFinal(options: {
  readonly hash: ScramHash;
  readonly password: string;
  readonly firstBare: string;
  readonly serverFirst: string;
  readonly binding: Uint8Array;
}): string {
  const { hash, password, firstBare, serverFirst, binding } = options;
  const [, nonce, salt, count] = /^r=([^,]*),s=([^,]*),i=(\d+)$/.exec(serverFirst)!;
  const length = hash === "sha1" ? 20 : 32;
  const salted = pbkdf2Sync(password, Buffer.from(salt!, "base64"), Number(count), length, hash);
  const clientKey = createHmac(hash, salted).update("Client Key").digest();
  const storedKey = createHash(hash).update(clientKey).digest();
  const unproven = `c=${Buffer.from(binding).toString("base64")},r=${nonce}`;
  const message = `${firstBare},${serverFirst},${unproven}`;
  const signature = createHmac(hash, storedKey).update(message).digest();
  const proof = clientKey.map((byte, i) => byte ^ signature[i]!);
  return `${unproven},p=${Buffer.from(proof).toString("base64")}`;
}

async function scramLogin(
  exchange: SaslExchange,
  options: { gs2: string; bare?: string; hash?: ScramHash; password?: string; data?: Uint8Array },
): Promise<string> {
  const { gs2, hash = "sha256", password = "pencil", data = new Uint8Array(0) } = options;
  const firstBare = options.bare ?? "n=user,r=client-nonce";
  const serverFirst = await say(exchange, gs2 + firstBare);
  const binding = concatBytes([utf8(gs2), data]);
  return say(exchange, clientFinal({ hash, password, firstBare, serverFirst, binding }));
}

test("the example of RFC 5802 section 5", async () => {
  const world = {
    salt: Buffer.from("QSXCR+Q6sek8bf92", "base64"),
    iterations: 4096,
    nonce: "3rfcNHYJY1ZVvWVs7j",
  };
  const exchange = startExchange("scram-sha-1", context(world), { secure: false })!;
  assert.equal(await say(exchange, undefined), "");
  assert.equal(
    await say(exchange, "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"),
    "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
  );
  assert.equal(
    await say(
      exchange,
      "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    ),
    "done v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
  );
});

test("the example of RFC 7677 section 3", async () => {
  const world = {
    salt: Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64"),
    iterations: 4096,
    nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
  };
  const exchange = startExchange("SCRAM-SHA-256", context(world), { secure: false })!;
  assert.equal(
    await say(exchange, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
  );
  assert.equal(
    await say(
      exchange,
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," +
        "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    ),
    "done v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
  );
});

test("which mechanisms are on offer", () => {
  assert.deepEqual(mechanisms({ secure: false }), ["SCRAM-SHA-256", "SCRAM-SHA-1"]);
  const all = ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"];
  assert.deepEqual(mechanisms({ secure: false, allowPlain: true }), all);
  assert.deepEqual(mechanisms({ secure: true }), all);
  assert.deepEqual(mechanisms({ secure: true, channelBinding: true }), [
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-1",
    "PLAIN",
    "LOGIN",
  ]);
  assert.equal(startExchange("PLAIN", context(), { secure: false }), undefined);
  assert.equal(startExchange("SCRAM-SHA-256-PLUS", context(), { secure: true }), undefined);
  assert.equal(startExchange("CRAM-MD5", context(), { secure: true }), undefined);
});

test("PLAIN", async () => {
  const plain = (world?: World): SaslExchange =>
    startExchange("plain", context(world), { secure: true })!;
  const exchange = plain();
  assert.equal(await say(exchange, undefined), "");
  assert.equal(await say(exchange, "\0user\0pencil"), "done ");
  await assert.rejects(say(exchange, "\0user\0pencil"), { name: "Bug" });
  assert.equal(await say(plain(), "USER\0user\0pencil"), "done ");
  await assert.rejects(say(plain(), "root\0user\0pencil"), refused("AUTHORIZATIONFAILED"));
  await assert.rejects(say(plain(), "root\0user\0wrong"), failed);
  const names: string[] = [];
  for (const bad of ["", "\0", "\0\0", "user\0pencil", "\0user\0", "\0\0pencil", "\0a\0b\0c"])
    await assert.rejects(say(plain({ names }), bad), refused("AUTHENTICATIONFAILED", /Malformed/));
  const notUtf8 = Uint8Array.from([0, 0x75, 0, 0xff]);
  await assert.rejects(plain({ names }).step(notUtf8), failed);
  await assert.rejects(plain({ names }).step(new Uint8Array(9000)), failed);
  assert.deepEqual(names, []);
});

test("LOGIN", async () => {
  const login = (): SaslExchange => startExchange("LOGIN", context(), { secure: true })!;
  const asked = login();
  assert.equal(await say(asked, undefined), "Username:");
  assert.equal(await say(asked, "user"), "Password:");
  assert.equal(await say(asked, "pencil"), "done ");
  const initial = login();
  assert.equal(await say(initial, "user"), "Password:");
  await assert.rejects(say(initial, "pen"), failed);
  await assert.rejects(say(login(), ""), failed);
  await assert.rejects(say(login(), "us\0er"), failed);
});

test("SCRAM logs in with names that need quoting, and with its own name as authzid", async () => {
  const names: string[] = [];
  const start = (): SaslExchange =>
    startExchange("SCRAM-SHA-256", context({ names }), { secure: false })!;
  assert.match(await scramLogin(start(), { gs2: "n,," }), /^done v=/);
  assert.match(await scramLogin(start(), { gs2: "y,," }), /^done v=/);
  assert.match(await scramLogin(start(), { gs2: "n,a=user," }), /^done v=/);
  assert.match(
    await scramLogin(start(), { gs2: "n,,", bare: "n=user,r=client-nonce,x=more" }),
    /^done v=/,
  );
  await assert.rejects(scramLogin(start(), { gs2: "n,a=root," }), refused("AUTHORIZATIONFAILED"));
  await assert.rejects(scramLogin(start(), { gs2: "n,,", password: "pen" }), failed);
  await assert.rejects(scramLogin(start(), { gs2: "n,,", bare: "n=us=2Cer=3D,r=x" }), failed);
  assert.equal(names.at(-1), "us,er=");
});

test("SCRAM refuses first messages that break the grammar", async () => {
  const nonce = "r=client-nonce";
  for (const bad of [
    "",
    "n,,",
    `n=user,${nonce}`,
    `x,,n=user,${nonce}`,
    `n,n=user,${nonce}`,
    `n,,n=,${nonce}`,
    `n,,n=us=er,${nonce}`,
    `n,,n=us=2cer,${nonce}`,
    `n,,m=must,n=user,${nonce}`,
    "n,,n=user",
    "n,,n=user,r=",
    "n,,n=user,r=a b",
    `n,,n=user,${nonce},bad`,
    `p=tls-exporter,,n=user,${nonce}`,
  ]) {
    const exchange = startExchange("SCRAM-SHA-256", context(), { secure: false })!;
    await assert.rejects(say(exchange, bad), failed, bad);
    await assert.rejects(say(exchange, `n,,n=user,${nonce}`), { name: "Bug" });
  }
});

test("SCRAM refuses last messages that do not belong to the first", async () => {
  const good = async (): Promise<[SaslExchange, string]> => {
    const exchange = startExchange("SCRAM-SHA-256", context(), { secure: false })!;
    const serverFirst = await say(exchange, "n,,n=user,r=abc");
    const binding = utf8("n,,");
    const options = { hash: "sha256", password: "pencil", serverFirst, binding } as const;
    return [exchange, clientFinal({ ...options, firstBare: "n=user,r=abc" })];
  };
  const [exchange, final] = await good();
  assert.match(await say(exchange, final), /^done/);
  const changes: readonly ((final: string) => string)[] = [
    (text) => text.replace("r=abc", "r=abd"),
    (text) => text.replace("server-nonce", "server"),
    (text) => text.replace("c=biws", "c=eSws"),
    (text) => text.replace(/p=.*/, "p="),
    (text) => text.replace(/p=.*/, "p=AAAA"),
    (text) => text.replace(/,p=.*/, ""),
    (text) => `${text},x=y`,
    () => "",
  ];
  for (const change of changes) {
    const [exchange, final] = await good();
    assert.notEqual(change(final), final);
    await assert.rejects(say(exchange, change(final)), failed, change(final));
  }
});

test("channel binding", async () => {
  const exporter = utf8("exporter-data");
  const endPoint = utf8("end-point-data");
  const binding = { "tls-exporter": exporter, "tls-server-end-point": endPoint };
  const offer = { secure: true, channelBinding: true };
  for (const [name, hash] of [
    ["SCRAM-SHA-256-PLUS", "sha256"],
    ["SCRAM-SHA-1-PLUS", "sha1"],
  ] as const) {
    const plus = (): SaslExchange => startExchange(name, context({ binding }), offer)!;
    const login = (gs2: string, data: Uint8Array): Promise<string> =>
      scramLogin(plus(), { gs2, data, hash });
    assert.match(await login("p=tls-exporter,,", exporter), /^done v=/);
    assert.match(await login("p=tls-server-end-point,,", endPoint), /^done v=/);
    const mismatch = refused("AUTHENTICATIONFAILED", /does not match/);
    await assert.rejects(login("p=tls-exporter,,", endPoint), mismatch);
    await assert.rejects(login("p=tls-exporter,,", new Uint8Array(0)), mismatch);
    await assert.rejects(login("p=tls-unique,,", exporter), /not supported/);
    await assert.rejects(login("n,,", new Uint8Array(0)), failed);
    await assert.rejects(login("y,,", new Uint8Array(0)), failed);
  }
  // Somebody took -PLUS out of the list that the client saw.
  const cheated = startExchange("SCRAM-SHA-256", context({ binding }), offer)!;
  await assert.rejects(scramLogin(cheated, { gs2: "y,," }), /was lost/);
  const content = startExchange("SCRAM-SHA-256", context({ binding }), offer)!;
  assert.match(await scramLogin(content, { gs2: "n,," }), /^done v=/);
  const options = { hash: "sha256", plus: true, plusOffered: true } as const;
  const without = new ScramExchange(context(), options);
  await assert.rejects(
    scramLogin(without, { gs2: "p=tls-exporter,,", data: new Uint8Array(0) }),
    /not available/,
  );
});
