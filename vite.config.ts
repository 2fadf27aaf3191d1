import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const inPublic = (path: string): string => fileURLToPath(new URL(`./public/${path}`, import.meta.url));

/** The pages: built from public/ into dist/public, served from `/`. JSX settings come from public/tsconfig.json. */
export default defineConfig({
  root: inPublic('.'),
  base: '/',
  // Its root is called public; nothing in it is copied unseen.
  publicDir: false,
  build: {
    outDir: fileURLToPath(new URL('./dist/public', import.meta.url)),
    emptyOutDir: true,
    // Phones that are five years old still open a livestream.
    target: ['es2022', 'chrome100', 'safari15.4', 'firefox100'],
    // Helmet's policy has no room for inline scripts and data: pictures need none either.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // A service worker keeps its address for ever, and serves the folder that it lies in.
        entryFileNames: ({ name }) => (name === 'operator-worker' ? 'operator/sw.js' : 'assets/[name]-[hash].js'),
      },
      input: {
        entrance: inPublic('index.html'),
        viewer: inPublic('viewer/index.html'),
        anchor: inPublic('anchor/index.html'),
        pay: inPublic('pay/index.html'),
        operator: inPublic('operator/index.html'),
        'operator-worker': inPublic('operator/sw.ts'),
      },
    },
  },
});
