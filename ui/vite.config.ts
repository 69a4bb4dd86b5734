import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = process.env.MILLRACE_URL ?? "http://127.0.0.1:8080";

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
      },
    },
  },
});
