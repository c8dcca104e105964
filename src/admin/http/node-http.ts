/**
 * node:http as it is when CommonJS loads it. An import statement would evaluate all its exports,
 * its WebSocket among them, which loads a whole web client: 16 MB that a mail server never uses.
 */
export const { createServer, request } = process.getBuiltinModule("node:http");
