// Prints what @asyncapi/parser finds in a description, and fails where it finds anything, also a hint.
import { Parser, fromFile } from '@asyncapi/parser';

const path = process.argv[2];
const { diagnostics } = await fromFile(new Parser(), path).parse();
for (const { code, message, path: at, range } of diagnostics) {
  console.error(`${path}:${range.start.line + 1} at ${at.join('.') || 'the root'}: ${message} (${code})`);
}
process.exitCode = diagnostics.length === 0 ? 0 : 1;
