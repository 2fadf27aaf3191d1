import type { JsonSchema } from './json-schemas.ts';
import { schemaPrefix } from './json-schemas.ts';

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text for HTML, inside elements and quoted attributes. */
export const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? '');

export type Bilingual = { readonly zh: string; readonly en: string };

/** Chinese first, English beside it. */
export const both = ({ zh, en }: Bilingual): string => `${escape(zh)} <span class="en" lang="en">${escape(en)}</span>`;

export const code = (text: string): string => `<code>${escape(text)}</code>`;
export const block = (text: string): string => `<pre tabindex="0"><code>${escape(text)}</code></pre>`;

const pages = [
  { href: '/docs/', title: { zh: '文档', en: 'Documents' } },
  { href: '/docs/rest', title: { zh: 'REST 接口', en: 'REST' } },
  { href: '/docs/events', title: { zh: '实时事件', en: 'Events' } },
] as const;

/** A whole page: skip link, navigation, contents. No script at all. */
export function page(href: (typeof pages)[number]['href'], title: Bilingual, body: string): string {
  const links = pages.map(
    (each) => `<a href="${each.href}"${each.href === href ? ' aria-current="page"' : ''}>${both(each.title)}</a>`,
  );
  return `<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escape(title.zh)} · Stockcast</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<a class="skip" href="#content">跳到正文 <span lang="en">Skip to content</span></a>
<nav aria-label="文档 Documents"><a class="brand" href="/">Stockcast</a>${links.join('')}</nav>
<main id="content">
<h1>${both(title)}</h1>
${body}
</main>
</body>
</html>
`;
}

const cells = (tag: 'td' | 'th', row: readonly string[]): string =>
  `<tr>${row.map((cell) => (tag === 'th' && cell !== '' ? `<th scope="col">${cell}</th>` : `<td>${cell}</td>`)).join('')}</tr>`;

/** A table whose columns need no names has no head: an empty one is read aloud as one that lacks its words. */
const headOf = (head: readonly string[]): string =>
  head.every((cell) => cell === '') ? '' : `<thead>${cells('th', head)}</thead>`;

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return `<div class="wide" tabindex="0"><table>${headOf(head)}<tbody>${rows.map((row) => cells('td', row)).join('')}</tbody></table></div>`;
}

/** A schema as a person reads it: its fields in a table, or its one line. */
export function schemaTable(schema: JsonSchema): string {
  const { properties, required = [] } = schema;
  if (properties === undefined) return `<p>${typeOf(schema)}</p>`;
  const rows = Object.entries(properties).map(([name, property]) => [
    `${code(name)}${required.includes(name) ? '' : ' <small>可选 optional</small>'}`,
    typeOf(property),
  ]);
  return rows.length === 0 ? '<p>{ }</p>' : table(['字段 Field', '类型 Type'], rows);
}

/** One line of HTML that says what a value may be; named schemas are links. */
export function typeOf(schema: JsonSchema): string {
  const { $ref, anyOf, oneOf, allOf, prefixItems, properties } = schema;
  if ($ref !== undefined) {
    const name = escape($ref.slice(schemaPrefix.length));
    return `<a href="#schema-${name}">${name}</a>`;
  }
  const choices = anyOf ?? oneOf;
  if (choices !== undefined) return choices.map(typeOf).join(' <b>|</b> ');
  if (allOf !== undefined) return allOf.map(typeOf).join(' <b>&amp;</b> ');
  if (schema.enum !== undefined) return schema.enum.map((value) => code(JSON.stringify(value))).join(' <b>|</b> ');
  if ('const' in schema) return code(JSON.stringify(schema.const));
  if (prefixItems !== undefined) return `[${prefixItems.map(typeOf).join(', ')}]`;
  if (schema.type === 'array') {
    const items = typeOf(schema.items ?? {});
    return items.includes('<b>|</b>') ? `(${items})[]` : `${items}[]`;
  }
  if (properties !== undefined) {
    const fields = Object.entries(properties).map(([name, property]) => `${code(name)}: ${typeOf(property)}`);
    return `{ ${fields.join(', ')} }`;
  }
  const types = [schema.type ?? 'any'].flat();
  return `${escape(types.join(' | '))}${limitsOf(schema)}`;
}

const range = (low: number | undefined, high: number | undefined, unit: string): string =>
  low === undefined && high === undefined ? '' : `${low ?? ''}…${high ?? ''}${unit}`;

function limitsOf(schema: JsonSchema): string {
  const { minimum, maximum, minLength, maxLength, pattern } = schema;
  const known = [
    range(minimum, maximum, ''),
    range(minLength, maxLength, ' 字符 characters'),
    pattern === undefined ? '' : code(pattern),
    'default' in schema ? `默认 default ${code(JSON.stringify(schema.default))}` : '',
  ].filter((text) => text !== '');
  return known.length === 0 ? '' : ` <small>${known.join(' · ')}</small>`;
}

/** A section for each named schema, the targets of the links above. */
export function schemaSections(schemas: Readonly<Record<string, JsonSchema>>): string {
  const sections = Object.entries(schemas)
    .sort(([one], [other]) => one.localeCompare(other))
    .map(
      ([name, schema]) =>
        `<section id="schema-${escape(name)}"><h3>${escape(name)}</h3>${schemaTable(schema)}</section>`,
    );
  return `<h2 id="schemas">${both({ zh: '数据结构', en: 'Schemas' })}</h2>${sections.join('\n')}`;
}

export const styleSheet = `:root{--ink:#1b2330;--soft:#5b6675;--line:#d9dee6;--paper:#fff;--tint:#f5f7fa;--accent:#b3261e;--link:#0b57d0}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#a3adbb;--line:#333c4a;--paper:#12161d;--tint:#1a202a;--accent:#ff8a80;--link:#8ab4f8}}
*{box-sizing:border-box}
body{margin:0;color:var(--ink);background:var(--paper);font:16px/1.6 system-ui,-apple-system,"PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif}
nav{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;padding:.75rem 1rem;border-bottom:1px solid var(--line);background:var(--tint)}
nav a{color:inherit;text-decoration:none;padding:.25rem 0}
nav a[aria-current]{border-bottom:2px solid var(--accent)}
.brand{font-weight:700}
main{max-width:60rem;margin:0 auto;padding:1rem 1rem 4rem}
h1{font-size:1.75rem;line-height:1.3}
h2{margin-top:2.5rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}
h3{margin:2rem 0 .5rem;scroll-margin-top:1rem}
h4{margin:1rem 0 .25rem;font-size:.95rem;color:var(--soft)}
.en{color:var(--soft);font-weight:400;font-size:.9em}
a{color:var(--link)}
code,pre{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
code{overflow-wrap:anywhere}
pre{background:var(--tint);border:1px solid var(--line);border-radius:6px;padding:.75rem 1rem;overflow-x:auto}
pre code{overflow-wrap:normal}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600;white-space:nowrap}
small{color:var(--soft)}
.method{display:inline-block;min-width:4.2em;font-weight:700;color:var(--accent);text-transform:uppercase}
section{break-inside:avoid-page}
.skip{position:absolute;left:-999px}
.skip:focus{left:1rem;top:.5rem;background:var(--paper);padding:.5rem;z-index:1}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}
ul.toc{columns:20rem;column-gap:2.5rem;padding-left:1.2rem}
@media print{nav,.skip{display:none}body{font-size:11pt;background:#fff;color:#000}main{max-width:none;padding:0}a{color:inherit}pre{white-space:pre-wrap}.wide{overflow:visible}h2,h3{break-after:avoid-page}}
`;
