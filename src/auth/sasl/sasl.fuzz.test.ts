import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import { utf8 } from "#base/bytes.ts";
import { seededRandom } from "#base/random.ts";
import type { SaslContext } from "./exchange.ts";
import { mechanisms, startExchange } from "./mechanisms.ts";

const seed = 20_260;
const rounds = 20_000;

const nobody: SaslContext = {
  peer: { address: "192.0.2.1" },
  nonce: () => "server-nonce",
  channelBinding: () => utf8("binding"),
  credentials: {
    verify: () => Promise.reject(new Refusal("AUTHENTICATIONFAILED", "no")),
    scramChallenge: async (name, hash) => ({
      name,
      hash,
      salt: utf8("0123456789abcdef"),
      iterations: 4096,
      verifiers: [],
    }),
    verifyScram: () => Promise.reject(new Refusal("AUTHENTICATIONFAILED", "no")),
  },
};

const samples = [
  "\0user\0pencil",
  "user",
  "n,,n=user,r=client-nonce",
  "y,a=user,n=us=2Cer,r=client-nonce,x=y",
  "p=tls-exporter,,n=user,r=client-nonce",
  "c=biws,r=client-nonceserver-nonce,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
  "c=biws,r=client-nonceserver-nonce,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
].map(utf8);

test(`broken and mixed-up responses end in refusals (seed ${seed})`, async () => {
  const random = seededRandom(seed);
  const offer = { secure: true, channelBinding: true };
  const names = mechanisms(offer);
  const response = (): Uint8Array => {
    const bytes = Uint8Array.from(samples[random.below(samples.length)]!);
    for (let edits = random.below(3); edits > 0; edits--)
      bytes[random.below(bytes.length)] = random.below(4) === 0 ? random.below(256) : 44;
    return random.below(8) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
  };
  for (let round = 0; round < rounds; round++) {
    const exchange = startExchange(names[random.below(names.length)]!, nobody, offer)!;
    let step = 0;
    try {
      if (random.below(4) === 0) await exchange.step(undefined);
      // No mechanism has more than two responses.
      for (; step < 3; step++)
        assert.equal((await exchange.step(response())).kind, "challenge", "nobody gets in");
      assert.fail("An exchange went on for ever");
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }
});
