/** What a cue's sentence says beside its label, which stands there already: “放慢节奏：岩茶” under “放慢节奏” is “岩茶”. */
export function besideLabel(label: string, text: string): string {
  return text.startsWith(label) ? text.slice(label.length).replace(/^[：:]\s*/, '') : text;
}
