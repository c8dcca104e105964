// The rules come from the layer table; this file only tells dependency-cruiser how to read TypeScript.
const { dependencyRules } = require("./tools/layers.ts");

module.exports = {
  forbidden: dependencyRules(),
  options: {
    // TypeScript 7 has no compiler API for tools yet; without this parser no module would be found.
    parser: "swc",
    // `import type` counts: nobody smuggles a dependency in as "only a type".
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
      extensions: [".ts", ".mjs", ".js", ".d.ts", ".json"],
    },
    exclude: { path: "^(data|dist)/" },
  },
};
