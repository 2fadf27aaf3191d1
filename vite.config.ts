import { copyFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin, type UserConfig } from 'vite';

const inPublic = (path: string): string => fileURLToPath(new URL(`./public/${path}`, import.meta.url));

const outDir = fileURLToPath(new URL('./dist/public', import.meta.url));
/** Phones that are five years old still open a livestream. */
const target = ['es2022', 'chrome100', 'safari15.4', 'firefox100'];

/** The pages: built from public/ into dist/public, served from `/`. JSX settings come from public/tsconfig.json. */
const pages: UserConfig = {
  root: inPublic('.'),
  base: '/',
  // Its root is called public; nothing in it is copied unseen.
  publicDir: false,
  build: {
    outDir,
    emptyOutDir: true,
    target,
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
};

/** `--mode client`, after the pages: the client for other people's pages, one file with a name that stays, and its types. */
const client: UserConfig = {
  root: inPublic('.'),
  publicDir: false,
  plugins: [typesBeside()],
  build: {
    outDir: `${outDir}/client`,
    emptyOutDir: true,
    target,
    lib: { entry: inPublic('client/stockcast-client.ts'), formats: ['es'], fileName: () => 'stockcast-client.js' },
  },
};

function typesBeside(): Plugin {
  return {
    name: 'types-beside',
    closeBundle: () => copyFile(inPublic('client/api.d.ts'), `${outDir}/client/stockcast-client.d.ts`),
  };
}

export default defineConfig(({ mode }) => (mode === 'client' ? client : pages));
