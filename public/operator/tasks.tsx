import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { ReplenishmentTask } from '../../contract/alerts.ts';
import { ErrorNote, useAction } from './action.tsx';
import { TextField } from './fields.tsx';
import { formatCount, formatMoment } from './format.ts';
import { useConsole } from './store.ts';

/** What yellow alerts ask for: units to be ordered or moved, until somebody has done it. */
export function Tasks() {
  const console = useConsole();
  const words = console.words.value.tasks;
  const tasks = useSignal<readonly ReplenishmentTask[] | null>(null);
  const action = useAction();
  const open = tasks.value?.filter(({ state }) => state === 'open') ?? [];
  const closed = tasks.value?.filter(({ state }) => state !== 'open') ?? [];
  const alerts = console.alerts.value.length;
  useEffect(() => {
    const { api, livestreamId } = console;
    const look = async (): Promise<void> => {
      const answer = await action.run(() => api('listTasks', { livestreamId }));
      if (answer !== null) tasks.value = answer.tasks;
    };
    void look();
    // A new alert may have made a task.
  }, [alerts]);
  const replace = (task: ReplenishmentTask): void => {
    tasks.value = tasks.value?.map((each) => (each.taskId === task.taskId ? task : each)) ?? null;
  };
  return (
    <section class="sheet">
      <h2>{words.open}</h2>
      <ErrorNote error={action.error.value} language={console.language.value} />
      {tasks.value !== null && open.length === 0 && <p class="empty">{words.none}</p>}
      <ul class="cards">
        {open.map((task) => (
          <OpenTask key={task.taskId} task={task} onClosed={replace} />
        ))}
      </ul>
      {closed.length > 0 && <h2>{words.closed}</h2>}
      <ol class="history">
        {closed.map(({ taskId, skuId, quantity, state, doneAtMs, note }) => (
          <li key={taskId}>
            <time class="number">{doneAtMs === null ? '' : formatMoment(doneAtMs, console.language.value)}</time>
            <span>
              {console.nameOf(skuId)} · {words.quantity(formatCount(quantity, console.language.value))} ·{' '}
              <b>{words.state[state]}</b> <span class="quiet">{note}</span>
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function OpenTask({ task, onClosed }: { task: ReplenishmentTask; onClosed: (task: ReplenishmentTask) => void }) {
  const console = useConsole();
  const words = console.words.value.tasks;
  const note = useSignal('');
  const action = useAction();
  const close = async (state: 'done' | 'dropped'): Promise<void> => {
    const at = { livestreamId: console.livestreamId, taskId: task.taskId };
    const body = { state, note: note.value.trim() };
    const done = await action.run(() => console.api('closeTask', at, { body }));
    if (done !== null) onClosed(done.task);
  };
  return (
    <li class="card" data-task={task.taskId}>
      <p class="card-title">
        <b>{console.nameOf(task.skuId)}</b>
        <span class="number">{words.quantity(formatCount(task.quantity, console.language.value))}</span>
      </p>
      <p class="quiet">
        <span class="number">{formatMoment(task.createdAtMs, console.language.value)}</span> {task.note}
      </p>
      <div class="tools">
        <TextField label={words.note} value={note} maxLength={500} />
        <button type="button" class="small-button" onClick={() => (console.openSku.value = task.skuId)}>
          {words.openItem}
        </button>
        <button type="button" class="small-button small-button-strong" onClick={() => void close('done')}>
          {words.done}
        </button>
        <button type="button" class="small-button" onClick={() => void close('dropped')}>
          {words.drop}
        </button>
      </div>
      <ErrorNote error={action.error.value} language={console.language.value} />
    </li>
  );
}
