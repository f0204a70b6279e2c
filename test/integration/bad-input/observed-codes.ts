import ts from 'typescript';

/** Titles say codes without observing them. */
const titled = new Set(['describe', 'it', 'test']);
const word = /[a-z0-9]+(?:-[a-z0-9]+)*/g;

/**
 * Codes that a test file compares something with: text that is a code (`'x'`, `'404 x'`), or that has a code of several
 * words in it (`/^x: /`, `'pending(x)'`), outside comments, imports and titles. It proves that a test says what code it
 * expects; that the code is then met is what the test itself proves by being green.
 */
export function codesIn(source: string, codes: ReadonlySet<string>): ReadonlySet<string> {
  const found = new Set<string>();
  const take = (text: string): void => {
    const exact = text.replace(/^[0-9]{3} /, '');
    if (codes.has(exact)) found.add(exact);
    for (const [part] of text.matchAll(word)) {
      if (part.includes('-') && codes.has(part)) found.add(part);
    }
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) return;
    if (ts.isStringLiteralLike(node) || ts.isRegularExpressionLiteral(node)) take(node.text);
    if (ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) take(node.text);
    const rest = ts.isCallExpression(node) && isTitled(node) ? node.arguments.slice(1) : undefined;
    if (rest === undefined) ts.forEachChild(node, visit);
    else {
      // `it.each(table)('title', ...)` has its table in the callee.
      visit((node as ts.CallExpression).expression);
      rest.forEach(visit);
    }
  };
  visit(ts.createSourceFile('a.ts', source, ts.ScriptTarget.ES2023, true));
  return found;
}

function isTitled({ expression }: ts.CallExpression): boolean {
  if (ts.isIdentifier(expression)) return titled.has(expression.text);
  if (!ts.isCallExpression(expression)) return false;
  const { expression: each } = expression;
  return (
    ts.isPropertyAccessExpression(each) &&
    ts.isIdentifier(each.expression) &&
    titled.has(each.expression.text)
  );
}
