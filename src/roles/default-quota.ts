import type { AddressTarget, Directory, Login, Quota } from "#auth/index.ts";

/** The directory as seen by who must keep to quotas: accounts without one have the default. */
export function withDefaultQuota(directory: Directory, standard: Quota): Directory {
  const limited = <A extends { readonly quota: Quota }>(account: A | undefined): A | undefined =>
    account === undefined ? undefined : { ...account, quota: { ...standard, ...account.quota } };
  const replace = directory.replaceHashes?.bind(directory);
  return {
    kind: directory.kind,
    ...(directory.decoySecret === undefined ? {} : { decoySecret: directory.decoySecret }),
    findLogin: async (name): Promise<Login | undefined> => limited(await directory.findLogin(name)),
    findAddress: async (address): Promise<AddressTarget | undefined> =>
      limited(await directory.findAddress(address)),
    listAccounts: (options) => directory.listAccounts(options),
    ...(replace === undefined ? {} : { replaceHashes: replace }),
    close: () => directory.close(),
  };
}
