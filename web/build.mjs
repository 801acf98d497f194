// Bundles the report page into dist/: one script, one style sheet (fonts inside), the licences, and the frame that
// src/report/html.c fills. The same sources and package-lock.json give the same bytes.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, 'dist');
const read = (path) => readFileSync(join(here, path), 'utf8');
mkdirSync(out, { recursive: true });

const result = await build({
  absWorkingDir: here, entryPoints: ['src/main.js'], bundle: true, minify: true, format: 'iife', target: ['es2022'], charset: 'ascii', legalComments: 'none', write: false, metafile: true, logLevel: 'warning',
});
// "</script" inside the script would end it early.
const script = result.outputFiles[0].text.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');

const fonts = [['Inter Variable', '@fontsource-variable/inter/files/inter-latin-wght-normal.woff2', '100 900'], ['Source Serif 4 Variable', '@fontsource-variable/source-serif-4/files/source-serif-4-latin-wght-normal.woff2', '200 900']];
const faces = fonts.map(([family, file, weight]) => `@font-face{font-family:"${family}";font-style:normal;font-weight:${weight};src:url(data:font/woff2;base64,${readFileSync(join(here, 'node_modules', file)).toString('base64')}) format("woff2")}`).join('\n');
const css = await build({ absWorkingDir: here, stdin: { contents: '@import "uplot/dist/uPlot.min.css"; @import "./src/report.css";', loader: 'css', resolveDir: here }, bundle: true, minify: true, target: ['es2022'], write: false, legalComments: 'none' });
const style = `${faces}\n${css.outputFiles[0].text}`;

const hash = `sha256-${createHash('sha256').update(script).digest('base64')}`;
writeFileSync(join(out, 'report.js'), script);
writeFileSync(join(out, 'report.css'), style);
writeFileSync(join(out, 'report.html'), read('src/report.html').replace('{{script-hash}}', hash));
writeFileSync(join(out, 'LICENSES.txt'), licences());

// Every package whose code or font is in the bundle, with its whole licence text; equal texts are printed once.
function licences() {
  const names = new Set(Object.keys(result.metafile.inputs).map((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]).filter(Boolean));
  names.add('@fontsource-variable/inter').add('@fontsource-variable/source-serif-4');
  const byText = new Map();
  for (const name of [...names].sort()) {
    const folder = join(here, 'node_modules', name);
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = existsSync(folder) && readdirSync(folder).sort().find((entry) => /^(licen[cs]e|copying|unlicense)/i.test(entry));
    if (!file) throw new Error(`${name} has no licence file`);
    const text = readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n').replace(/[ \t]+$/gm, '').trim();
    byText.set(text, [...(byText.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  const blocks = [...byText].map(([text, packages]) => `${packages.join('\n')}\n\n${text}\n`);
  return `The report page of Edgewise (MIT) contains these packages.\n\n${blocks.join(`\n${'-'.repeat(78)}\n\n`)}`;
}
