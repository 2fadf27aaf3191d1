import { parseArgs } from 'node:util';

export type Flags = {
  text(name: string, fallback?: string): string;
  /** Within `min`…`max`, else the program ends with a sentence that says so. */
  whole(name: string, fallback: number, range?: { min: number; max: number }): number;
  list(name: string, fallback: string): readonly string[];
  on(name: string): boolean;
};

/** Reads the flags of a load test. Throws a sentence for an unknown flag or an unusable value. */
export function readFlags(args: readonly string[], names: { text: readonly string[]; on?: readonly string[] }): Flags {
  const options = Object.fromEntries([
    ...names.text.map((name) => [name, { type: 'string' as const }]),
    ...(names.on ?? []).map((name) => [name, { type: 'boolean' as const }]),
  ]);
  const values: Readonly<Record<string, unknown>> = parseArgs({
    args: [...args],
    options,
    strict: true,
    allowPositionals: false,
  }).values;
  const given = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  const text = (name: string, fallback?: string): string => {
    const value = given(name) ?? fallback;
    if (value === undefined) throw new Error(`--${name} is missing`);
    return value;
  };
  return {
    text,
    whole: (name, fallback, { min, max } = { min: 1, max: 1_000_000 }) => {
      const value = Number(given(name) ?? fallback);
      if (Number.isInteger(value) && value >= min && value <= max) return value;
      throw new Error(`--${name} must be a whole number from ${min} to ${max}`);
    },
    list: (name, fallback) =>
      text(name, fallback)
        .split(',')
        .filter((one) => one !== ''),
    on: (name) => values[name] === true,
  };
}

/** Runs a load test as a program: its exit code, or 2 and the reason when it could not run. */
export async function runProgram(program: (args: readonly string[]) => Promise<number>): Promise<void> {
  try {
    process.exitCode = await program(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 2;
  }
}
