// Prints the README's settings table, or with --env the text of .env.example; both come from the schema that the server reads.
import { environmentExample, settingsTable } from '../server/config/settings.ts';

process.stdout.write(process.argv.includes('--env') ? environmentExample() : settingsTable());
