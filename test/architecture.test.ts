/**
 * The rules of docs/ARCHITECTURE.md, as a test: who may import whom, what the decoder must never reach, where floats
 * that differ between machines must not appear, and how files look. Source files are parsed, so comments do not count.
 *
 * Imports of types only (`import type`, `typeof import()`) vanish when compiled: they obey the layers, but neither make
 * cycles nor belong to what a module reaches.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = new URL('..', import.meta.url).pathname;
const folders = ['src', 'codec', 'trellis', 'datasets', 'eval'];

/** What a folder or file may import besides itself; the longest prefix that fits a file is its layer. */
const layers: Readonly<Record<string, readonly string[]>> = (() => {
  const bottom = [
    'src/errors.ts',
    'src/graph',
    'src/io',
    'src/metrics',
    'codec/entropy',
    'trellis',
    'src/training/random.ts',
  ];
  const parts = [
    'src/engines',
    'codec/exact',
    'codec/networks',
    'codec/format',
    'codec/quantizers',
    'codec/model',
    'codec/quantizers/registry.ts',
  ];
  const everything = [...bottom, ...parts, 'codec', 'datasets', 'eval', 'src/training', 'src/weights'];
  return {
    'src/errors.ts': [],
    'src/graph': ['src/errors.ts'],
    'src/io': ['src/errors.ts'],
    'src/metrics': ['src/errors.ts', 'src/io'],
    'codec/entropy': ['src/errors.ts'],
    trellis: ['src/errors.ts'],
    datasets: ['src/errors.ts', 'src/io'],
    'src/engines': ['src/errors.ts', 'src/graph', 'src/io'],
    'codec/exact': ['src/errors.ts', 'src/graph'],
    'codec/networks': ['src/errors.ts', 'src/graph'],
    'codec/format': ['src/errors.ts', 'src/io'],
    'codec/quantizers': ['src/errors.ts', 'codec/entropy', 'codec/format', 'trellis'],
    'codec/model': [...bottom, 'codec/networks', 'codec/format', 'codec/quantizers'],
    // Sets quantizers up from models.
    'codec/quantizers/registry.ts': ['src/errors.ts', 'codec/format', 'codec/model', 'codec/quantizers'],
    codec: [...bottom, ...parts],
    'src/training': [...bottom, ...parts, 'codec', 'src/weights/cholesky.ts'],
    // Factors of symmetric matrices, which fits of hyper-latents take too.
    'src/weights/cholesky.ts': [],
    // Seeded random numbers, which stochastic rounding of weights takes too.
    'src/training/random.ts': [],
    'src/weights': [
      'src/errors.ts',
      'src/graph',
      'src/io',
      'src/training/random.ts',
      'src/weights/cholesky.ts',
      'trellis',
    ],
    eval: [...bottom, ...parts, 'codec', 'datasets', 'src/training', 'src/weights'],
    'src/index.ts': everything,
    'src/browser.ts': [...bottom, ...parts, 'codec'],
    'codec/cli': [...everything, 'src/index.ts'],
  };
})();

interface Import {
  /** A path inside the repository, or the name of a package. */
  readonly to: string;
  readonly kind: 'value' | 'type' | 'dynamic';
  readonly line: number;
}

interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
  readonly imports: readonly Import[];
}

function sourcePaths(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sourcePaths(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

const isTypeOnly = (clause: ts.ImportClause | ts.NamedExports | undefined, typeOnly: boolean): boolean => {
  if (typeOnly) return true;
  const names = clause && ts.isNamedExports(clause) ? clause : clause?.namedBindings;
  const hasDefault = clause !== undefined && ts.isImportClause(clause) && clause.name !== undefined;
  if (!names || hasDefault || ts.isNamespaceImport(names)) return false;
  return names.elements.length > 0 && names.elements.every((element) => element.isTypeOnly);
};

function importsOf(path: string, tree: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Node, kind: Import['kind']): void => {
    if (!ts.isStringLiteral(specifier)) return;
    const to = specifier.text.startsWith('.')
      ? normalize(join(dirname(path), specifier.text)).replace(/\.js$/, '.ts')
      : specifier.text;
    found.push({ to, kind, line: tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1 });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const clause = node.importClause;
      const typeOnly = clause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
      add(node, node.moduleSpecifier, isTypeOnly(clause, typeOnly) ? 'type' : 'value');
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
      const names = node.exportClause && ts.isNamedExports(node.exportClause) ? node.exportClause : undefined;
      add(node, node.moduleSpecifier, isTypeOnly(names, node.isTypeOnly) ? 'type' : 'value');
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0], 'dynamic');
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, 'type');
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** Parsed once; kernels in AssemblyScript, which has its own way of importing, are looked at for what they compute. */
const files: readonly SourceFile[] = folders.flatMap(sourcePaths).map((path) => {
  const text = readFileSync(join(root, path), 'utf8');
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  return { path, text, tree, imports: path.includes('/assembly/') ? [] : importsOf(path, tree) };
});
const byPath = new Map(files.map((file) => [file.path, file]));

const isUnder = (path: string, layer: string): boolean => path === layer || path.startsWith(`${layer}/`);

function layerOf(path: string): string | undefined {
  const fitting = Object.keys(layers).filter((layer) => isUnder(path, layer));
  return fitting.sort((a, b) => b.length - a.length)[0];
}

/** Everything that is loaded when `path` is, packages included; with dynamic imports on request. */
function reach(path: string, dynamic = false): Set<string> {
  const reached = new Set<string>();
  const visit = (at: string): void => {
    if (reached.has(at)) return;
    reached.add(at);
    for (const { to, kind } of byPath.get(at)?.imports ?? []) {
      if (kind === 'value' || (dynamic && kind === 'dynamic')) visit(to);
    }
  };
  visit(path);
  return reached;
}

const reachedFrom = (path: string, pattern: RegExp, dynamic = false): string[] =>
  [...reach(path, dynamic)].filter((to) => pattern.test(to));

/** Places where `Math.<name>` or the operator ** stands in the code of a file. */
function transcendentals({ path, tree }: SourceFile): string[] {
  const found: string[] = [];
  const names = /^(exp|expm1|log|log2|log10|log1p|pow|a?sinh?|a?cosh?|a?tanh?|atan2|cbrt|hypot)$/;
  const visit = (node: ts.Node): void => {
    const isCall =
      ts.isPropertyAccessExpression(node) &&
      node.expression.getText(tree) === 'Math' &&
      names.test(node.name.text);
    // Powers of two of whole numbers are exact and stand for constants.
    const isPower =
      ts.isBinaryExpression(node) &&
      node.operatorToken.kind === ts.SyntaxKind.AsteriskAsteriskToken &&
      !(ts.isNumericLiteral(node.left) && ts.isNumericLiteral(node.right));
    if (isCall || isPower) found.push(`${path}: ${node.getText(tree)}`);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

describe('imports', () => {
  it('were found, static and dynamic', () => {
    expect(files.length).toBeGreaterThan(80);
    const all = files.flatMap(({ imports }) => imports);
    for (const kind of ['value', 'type', 'dynamic'])
      expect(all.some((found) => found.kind === kind)).toBe(true);
  });

  it('lead to files that exist, with the suffix .js', () => {
    const missing = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ to }) => /^[^@].*\//.test(to) && folders.includes(to.split('/')[0]) && !byPath.has(to))
        .map(({ to, line }) => `${path}:${line} imports ${to}`),
    );
    expect(missing).toEqual([]);
  });

  it('point one way: every folder imports only what lies below it', () => {
    const wrong = files.flatMap(({ path, imports }) => {
      const layer = layerOf(path);
      if (layer === undefined) return [`${path} lies in a folder that has no rule in this test`];
      return imports
        .filter(({ to }) => byPath.has(to) && layerOf(to) !== layer)
        .filter(({ to }) => !layers[layer].includes(layerOf(to) ?? ''))
        .map(({ to, line }) => `${path}:${line} imports ${to}, which ${layer} must not`);
    });
    expect(wrong).toEqual([]);
  });

  it('make no cycles', () => {
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      if (trail.includes(path) || done.has(path)) return;
      for (const { to, kind } of byPath.get(path)?.imports ?? []) {
        if (kind !== 'type') visit(to, [...trail, path]);
      }
      done.add(path);
    };
    for (const { path } of files) visit(path, []);
    expect(cycles).toEqual([]);
  });

  it.each([
    'codec/format',
    'codec/entropy',
    'codec/exact',
    'codec/networks',
    'codec/quantizers',
    'src/graph',
  ])('of %s stay within what browsers have', (folder) => {
    const wrong = files
      .filter(({ path }) => isUnder(path, folder))
      .flatMap(({ path }) => reachedFrom(path, /^node:/, true).map((to) => `${path} reaches ${to}`));
    expect(wrong).toEqual([]);
  });

  it('of optional and heavy packages are dynamic', () => {
    const heavy = /^(sharp|onnxruntime-node|@tensorflow\/.*)$/;
    const wrong = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ to, kind }) => heavy.test(to) && kind === 'value')
        .map(({ to }) => `${path} imports ${to}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('the decoder', () => {
  it('reaches no training, evaluation, command line or encoder, even dynamically', () => {
    expect(
      reachedFrom('codec/decode.ts', /^(src\/training|eval|datasets|codec\/cli|codec\/encode)/, true),
    ).toEqual([]);
  });

  it('loads no engine and no image library before it is asked for one', () => {
    expect(reachedFrom('codec/decode.ts', /^(sharp|onnxruntime-node|commander|src\/engines)/)).toEqual([]);
  });

  it('needs no reader of other formats', () => {
    expect(reachedFrom('codec/decode.ts', /^src\/io\/(formats|index)/, true)).toEqual([]);
  });
});

describe('coding', () => {
  const exactFiles = files.filter(
    ({ path }) =>
      /^codec\/entropy\/(rans|tables|escape)\.ts$/.test(path) ||
      /^(trellis|codec\/quantizers)\/(dequantize|machines)\.ts$/.test(path) ||
      /^src\/weights\/trellis-coded\/(bitshift-codes|bitshift-trellis|hadamard)\.ts$/.test(path) ||
      path === 'codec/entropy-model.ts' ||
      isUnder(path, 'trellis/stream') ||
      isUnder(path, 'codec/exact') ||
      isUnder(path, 'codec/format'),
  );

  it('uses no function whose last bit differs between machines', () => {
    expect(exactFiles.length).toBeGreaterThan(20);
    expect(exactFiles.flatMap(transcendentals)).toEqual([]);
  });

  it('this test would see one', () => {
    const text = 'const a = Math.exp(x) + y ** 0.5; // Math.log';
    const tree = ts.createSourceFile('a.ts', text, ts.ScriptTarget.ES2023, true);
    expect(transcendentals({ path: 'a.ts', text, tree, imports: [] })).toEqual([
      'a.ts: Math.exp',
      'a.ts: y ** 0.5',
    ]);
  });
});

describe('files', () => {
  it('have at most 500 lines', () => {
    const long = files.filter(({ text }) => text.split('\n').length > 501).map(({ path }) => path);
    expect(long).toEqual([]);
  });

  it('open with a comment that says what they are', () => {
    const bare = files.filter(({ text }) => !/^(#!.*\n)?\/(\*\*|\/)/.test(text)).map(({ path }) => path);
    expect(bare).toEqual([]);
  });

  it('print, read arguments and end the process in the command line and in scripts of eval only', () => {
    const printing = /^(console$|process\.(argv|exit|exitCode)$)/;
    const wrong: string[] = [];
    for (const { path, tree } of files.filter(
      ({ path }) => !isUnder(path, 'codec/cli') && !isUnder(path, 'eval'),
    )) {
      const visit = (node: ts.Node): void => {
        const text = ts.isPropertyAccessExpression(node)
          ? node.getText(tree)
          : ts.isIdentifier(node)
            ? node.text
            : '';
        if (printing.test(text)) wrong.push(`${path}: ${text}`);
        ts.forEachChild(node, visit);
      };
      visit(tree);
    }
    expect(wrong).toEqual([]);
  });
});
