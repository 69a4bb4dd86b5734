import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = process.env.MILLRACE_URL ?? "http://127.0.0.1:8080";

interface Modules {
  getModuleInfo(id: string): { isEntry: boolean; importers: readonly string[] } | null;
}

/** Whether the page needs the module at once: a chain of static imports leads from the entry to it. */
function isEager(id: string, modules: Modules, seen = new Set<string>()): boolean {
  if (seen.has(id)) return false;
  seen.add(id);
  const info = modules.getModuleInfo(id);
  return info !== null && (info.isEntry || info.importers.some((each) => isEager(each, modules, seen)));
}

// Asset names are stable (no hashes): the server sends ETags, and the embedded
// files replace each other from build to build.
export default defineConfig({
  plugins: [react()],
  server: { proxy: { "/api": server, "/auth": server } },
  build: {
    target: ["chrome123", "firefox120", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    rolldownOptions: {
      preserveEntrySignatures: "allow-extension",
      output: {
        entryFileNames: "assets/[name].js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
        // One file for the first load, instead of one for each set of screens that share something.
        codeSplitting: { groups: [{ name: (id, modules) => (isEager(id, modules) ? "app" : null) }] },
      },
    },
  },
});
