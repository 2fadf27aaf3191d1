import { expect, test } from 'vitest';
import { environmentExample, settingsTable } from '../../server/config/settings.ts';
import { read } from './project-files.ts';

test('[TD-16] the settings table of the README is what the server reads', () => {
  const [, table] = /<!-- settings:[^\n]*-->\n([^]*?)\n<!-- \/settings -->/.exec(read('README.md')) ?? [];
  expect(table, 'put the output of tools/settings-table.ts between the marks').toBe(settingsTable().trim());
});

test('[TD-16] .env.example is what the server reads', () => {
  expect(read('.env.example'), 'write it anew with tools/settings-table.ts --env').toBe(environmentExample());
});
