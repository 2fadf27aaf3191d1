import { Dialog } from './dialog.tsx';
import { shortcuts } from './keyboard.ts';
import { useConsole } from './store.ts';

export function HelpDialog() {
  const console = useConsole();
  const words = console.words.value;
  return (
    <Dialog
      open={console.helpShown.value}
      title={words.help}
      closeLabel={words.close}
      onClose={() => (console.helpShown.value = false)}
    >
      <dl class="keys">
        {shortcuts.map(([key, command]) => (
          <div key={key}>
            <dt>
              <kbd>{key.length === 1 ? key.toUpperCase() : key}</kbd>
            </dt>
            <dd>{words.keys[command]}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
