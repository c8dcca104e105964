// Stops with advice when the tests would run on a Node that cannot run the sources.
const major = Number(process.versions.node.split(".")[0]);
if (major < 26) {
  console.error(
    `Roost's tests need Node 26; this is ${process.version}. Run 'npm ci' (it brings Node 26 along as a package) and use 'npm test'.`,
  );
  process.exit(69);
}
