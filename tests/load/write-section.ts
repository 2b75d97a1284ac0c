import { readFileSync, writeFileSync } from 'node:fs';

/** Replaces what stands between `<!-- name -->` and `<!-- /name -->`. Throws where there is none. */
export function writeSection(file: string, name: string, text: string): void {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const old = readFileSync(file, 'utf8');
  const [from, to] = [old.indexOf(begin), old.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`${file} has no section ${name}`);
  const before = old.slice(0, from + begin.length);
  writeFileSync(file, `${before}\n\n${text}\n\n${old.slice(to)}`);
}
