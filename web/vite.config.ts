import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, loadEnv } from 'vite';

// In development the server's API is asked through Vite, so that cookies and origins are as in production.
const server = loadEnv('', '.', 'DOCKMON_URL')['DOCKMON_URL'] ?? 'http://127.0.0.1:8001';

export default defineConfig({
  // Relative to <base href>, which the server writes at run time.
  base: './',
  plugins: [svelte()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      output: {
        // A hash of hex digits: the server caches files with such a name forever (src/server/web/files.c).
        hashCharacters: 'hex',
        entryFileNames: 'assets/[name]-[hash:12].js',
        chunkFileNames: 'assets/[name]-[hash:12].js',
        assetFileNames: 'assets/[name]-[hash:12][extname]',
      },
    },
  },
  worker: { format: 'es', rollupOptions: { output: { entryFileNames: 'assets/[name]-[hash:12].js' } } },
  server: {
    host: '127.0.0.1',
    port: 5173,
    strictPort: true,
    // The key of a server of one's own is not known here.
    proxy: {
      '/api': { target: server, secure: false },
      '/ws': { target: server.replace(/^http/, 'ws'), ws: true, secure: false },
    },
  },
});
