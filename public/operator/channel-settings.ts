/** Settings of a channel as lines `name=value`; null: a line is neither empty nor of this form. */
export function settingsOf(text: string): Record<string, string> | null {
  const settings: Record<string, string> = {};
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const at = line.indexOf('=');
    const name = line.slice(0, at).trim();
    if (at === -1 || !/^\w{1,64}$/.test(name)) return null;
    settings[name] = line.slice(at + 1).trim();
  }
  return settings;
}

export function settingsText(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n');
}
