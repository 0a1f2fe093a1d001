/**
 * Decodes the golden files with several versions of Node.js, each with its own WebAssembly and floating point code, and
 * compares latents checksums and pixel hashes with test/golden/checksums.json. Run `npm run build` first, then
 *
 *     npm run check:nodes              # versions 20, 22 and 24
 *     npm run check:nodes -- 22 23     # others
 *
 * The versions come from the npm package `node` and are installed into a temporary folder; that needs the registry, so
 * this is no part of `npm test`. Called with `--decode`, the script is the part that runs inside each version.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const golden = new URL('../test/golden/', import.meta.url);
const compiled = new URL('../dist/codec/', import.meta.url);

/** Decodes every golden file with the wasm engine; a mismatch of latents is an error of the decoder itself. */
async function decodeAll() {
  const { decodeWithReport } = await import(new URL('decode.js', compiled).href);
  const { loadModel } = await import(new URL('model/load.js', compiled).href);
  const model = await loadModel(new Uint8Array(readFileSync(new URL('tiny.safetensors', golden))));
  const { files } = JSON.parse(readFileSync(new URL('checksums.json', golden), 'utf8'));
  const results = {};
  for (const name of Object.keys(files)) {
    const bytes = new Uint8Array(readFileSync(new URL(name, golden)));
    const { latentsChecksum, image } = await decodeWithReport(bytes, { model, engine: 'wasm' });
    results[name] = {
      latents: latentsChecksum.toString(16).padStart(8, '0'),
      pixels: createHash('sha256').update(image.data).digest('hex'),
    };
  }
  return { node: process.version, v8: process.versions.v8, model: model.id, files: results };
}

/** Installs that version of Node.js and returns the path of its binary. */
function installNode(version, folder) {
  const prefix = join(folder, version);
  mkdirSync(prefix);
  // Without a package.json, npm would install into the nearest folder above that has one.
  writeFileSync(join(prefix, 'package.json'), '{"private":true}');
  const options = ['--no-save', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', prefix];
  execFileSync('npm', ['install', ...options, `node@${version}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  return join(prefix, 'node_modules', 'node', 'bin', 'node');
}

/** Lines on what differs from the record. */
function differences({ model, files }, expected) {
  const found = model === expected.model ? [] : [`model: expected ${expected.model}, got ${model}`];
  for (const [name, record] of Object.entries(expected.files)) {
    for (const part of ['latents', 'pixels']) {
      const got = files[name]?.[part];
      if (got !== record[part])
        found.push(`${name}: ${part}: expected ${record[part]}, got ${got ?? 'none'}`);
    }
  }
  return found;
}

function checkAll(versions) {
  if (!existsSync(new URL('decode.js', compiled))) {
    console.error('check-node-versions: expected dist/, run `npm run build` first');
    return 1;
  }
  const expected = JSON.parse(readFileSync(new URL('checksums.json', golden), 'utf8'));
  const count = Object.keys(expected.files).length;
  const folder = mkdtempSync(join(tmpdir(), 'node-versions-'));
  let failures = 0;
  try {
    for (const version of versions) {
      const binary = installNode(version, folder);
      const started = performance.now();
      const output = execFileSync(binary, [fileURLToPath(import.meta.url), '--decode'], { encoding: 'utf8' });
      const result = JSON.parse(output);
      const found = differences(result, expected);
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      const verdict = found.length === 0 ? 'all latents and pixels equal' : `${found.length} differences`;
      console.log(`Node ${result.node} (V8 ${result.v8}): ${count} files, ${verdict}, ${seconds} s`);
      for (const line of found) console.log(`  ${line}`);
      failures += found.length;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return failures === 0 ? 0 : 1;
}

const given = process.argv.slice(2);
if (given[0] === '--decode') console.log(JSON.stringify(await decodeAll()));
else process.exitCode = checkAll(given.length > 0 ? given : ['20', '22', '24']);
