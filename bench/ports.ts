import { type AddressInfo, createServer } from "node:net";

/** Ports of this machine that nobody listens on. */
export async function freePorts(): Promise<{ imap: number; lmtp: number }> {
  const servers = [createServer(), createServer()];
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    ports.push((server.address() as AddressInfo).port);
  }
  for (const server of servers) server.close();
  return { imap: ports[0]!, lmtp: ports[1]! };
}
