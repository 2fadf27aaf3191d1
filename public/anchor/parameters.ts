import { chooseLanguage, type Language } from '../lib/languages.ts';

const layouts = ['curve', 'bar', 'mini', 'full'] as const;
const themes = ['dark', 'light', 'contrast'] as const;
const corners = ['bottom-left', 'bottom-right', 'top-left', 'top-right'] as const;

export type Layout = (typeof layouts)[number];

/** What the address of the source says. Nothing in it is trusted with access: the token decides that. */
export type Parameters = {
  /** null: the address names none, or one that cannot be. */
  readonly livestreamId: string | null;
  readonly layout: Layout;
  readonly theme: (typeof themes)[number];
  /** Where the panel stands on a large canvas; a small source is filled. */
  readonly corner: (typeof corners)[number];
  /** The item to follow; null: the one being explained. */
  readonly skuId: string | null;
  readonly language: Language;
  /** air: nothing internal is shown, whatever the token may see. */
  readonly audience: 'anchor' | 'air';
  /** Minutes of the curve that are shown; 0: the whole show. */
  readonly minutes: number;
  /** null: without one, the session of this browser counts (an operator's preview). */
  readonly token: string | null;
};

const idPattern = /^[A-Za-z0-9_.-]{1,64}$/;

/** Reads `?livestream=…&layout=…#token=…`. What it does not know becomes its default: a source on air shows something rather than nothing. */
export function parseParameters({ search, hash }: { readonly search: string; readonly hash: string }): Parameters {
  const query = new URLSearchParams(search);
  const minutes = Number(query.get('minutes') ?? 30);
  return {
    livestreamId: idOf(query.get('livestream')),
    layout: oneOf(layouts, query.get('layout')),
    theme: oneOf(themes, query.get('theme')),
    corner: oneOf(corners, query.get('corner')),
    skuId: idOf(query.get('sku')),
    language: chooseLanguage({ search, stored: null }),
    audience: query.get('audience') === 'air' ? 'air' : 'anchor',
    minutes: Number.isFinite(minutes) ? Math.min(1_440, Math.max(0, Math.round(minutes))) : 30,
    token: new URLSearchParams(hash.replace(/^#/, '')).get('token'),
  };
}

const idOf = (value: string | null): string | null => (value !== null && idPattern.test(value) ? value : null);

/** The first is the default. */
function oneOf<Value extends string>(values: readonly [Value, ...Value[]], given: string | null): Value {
  return values.find((value) => value === given) ?? values[0];
}
