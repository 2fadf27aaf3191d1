import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type * as z from 'zod/mini';
import type { NotificationChannel, Person } from '../../contract/alerts.ts';
import { ErrorNote, useAction } from './action.tsx';
import { Channels } from './channels.tsx';
import { PersonForm, SupplierForm } from './people-forms.tsx';
import { useConsole } from './store.ts';

export type Channel = z.infer<typeof NotificationChannel>;

/** Who is called, in which order, and whom to ask for more units. Admins also keep people and channels here. */
export function People() {
  const console = useConsole();
  const words = console.words.value.people;
  const people = useSignal<readonly Person[]>([]);
  const channels = useSignal<readonly Channel[]>([]);
  const action = useAction();
  useEffect(() => {
    void console.refreshOnCall();
    if (!console.isAdmin) return;
    void action.run(async () => {
      const [persons, ways] = await Promise.all([console.api('listPeople', {}), console.api('listChannels', {})]);
      if (persons.ok) people.value = persons.value.people;
      if (ways.ok) channels.value = ways.value.channels;
      return persons.ok ? ways : persons;
    });
  }, [console]);
  return (
    <section class="sheet">
      <ErrorNote error={action.error.value} language={console.language.value} />
      <div class="columns">
        <OnCallList people={people.value} />
        <Suppliers />
      </div>
      {console.isAdmin ? (
        <>
          <PersonList
            people={people.value}
            channels={channels.value}
            onSaved={(person) => {
              people.value = [...people.value.filter(({ personId }) => personId !== person.personId), person];
            }}
          />
          <Channels
            channels={channels.value}
            onSaved={(channel) => {
              channels.value = [...channels.value.filter(({ channelId }) => channelId !== channel.channelId), channel];
            }}
          />
        </>
      ) : (
        <p class="quiet">{words.adminOnly}</p>
      )}
    </section>
  );
}

function OnCallList({ people }: { people: readonly Person[] }) {
  const console = useConsole();
  const words = console.words.value.people;
  const action = useAction();
  const onCall = console.onCall.value.people;
  const others = people.filter(({ personId }) => !onCall.some((person) => person.personId === personId));
  const put = async (next: readonly Person[]): Promise<void> => {
    const body = { personIds: next.map(({ personId }) => personId) };
    const { api, livestreamId } = console;
    const answer = await action.run(() => api('putOnCall', { livestreamId }, { body }));
    if (answer !== null) console.onCall.value = { ...console.onCall.value, people: answer.people };
  };
  return (
    <section class="box">
      <h2>{words.onCall}</h2>
      <p class="quiet">{words.onCallText}</p>
      {onCall.length === 0 && <p class="empty">{words.noOnCall}</p>}
      <ol class="on-call">
        {onCall.map((person, at) => (
          <li key={person.personId}>
            <span class="on-call-place number">{at + 1}</span>
            <span class="on-call-name">
              <b>{person.name}</b>
              <span class="quiet">{[person.phone, person.email].filter((each) => each !== null).join(' · ')}</span>
            </span>
            <button
              type="button"
              class="icon-button"
              aria-label={words.up(person.name)}
              aria-disabled={at === 0}
              onClick={() => at > 0 && void put(onCall.with(at, onCall[at - 1] ?? person).with(at - 1, person))}
            >
              ↑
            </button>
            <button
              type="button"
              class="icon-button"
              aria-label={words.remove(person.name)}
              onClick={() => void put(onCall.filter((each) => each !== person))}
            >
              ✕
            </button>
          </li>
        ))}
      </ol>
      {others.length > 0 && (
        <label class="inline-field">
          <span class="quiet">{words.add}</span>
          <select
            value=""
            onChange={({ currentTarget }) => {
              const person = others.find(({ personId }) => personId === currentTarget.value);
              currentTarget.value = '';
              if (person !== undefined) void put([...onCall, person]);
            }}
          >
            <option value="">…</option>
            {others.map(({ personId, name }) => (
              <option key={personId} value={personId}>
                {name}
              </option>
            ))}
          </select>
        </label>
      )}
      <ErrorNote error={action.error.value} language={console.language.value} />
    </section>
  );
}

function Suppliers() {
  const console = useConsole();
  const words = console.words.value.people;
  const { suppliers } = console.onCall.value;
  return (
    <section class="box">
      <h2>{words.suppliers}</h2>
      {suppliers.length === 0 && <p class="empty">{words.noSuppliers}</p>}
      <ul class="plain-list">
        {suppliers.map((supplier) => (
          <li key={supplier.supplierId}>
            <b>{supplier.name}</b> · {supplier.contact}
            <span class="quiet"> {supplier.productIds.join(', ')}</span>
            {console.isAdmin && (
              <details class="markers">
                <summary>{console.words.value.edit}</summary>
                <SupplierForm known={supplier} />
              </details>
            )}
          </li>
        ))}
      </ul>
      {console.isAdmin && (
        <details class="markers">
          <summary>{words.newSupplier}</summary>
          <SupplierForm known={null} />
        </details>
      )}
    </section>
  );
}

function PersonList({
  people,
  channels,
  onSaved,
}: {
  readonly people: readonly Person[];
  readonly channels: readonly Channel[];
  readonly onSaved: (person: Person) => void;
}) {
  const console = useConsole();
  const words = console.words.value.people;
  return (
    <section class="box">
      <h2>{words.people}</h2>
      <ul class="plain-list">
        {people.map((person) => (
          <li key={person.personId}>
            <details class="markers">
              <summary>
                <b>{person.name}</b>{' '}
                <span class="quiet">{[person.phone, person.email].filter((each) => each !== null).join(' · ')}</span>
              </summary>
              <PersonForm known={person} channels={channels} onSaved={onSaved} />
            </details>
          </li>
        ))}
      </ul>
      <details class="markers">
        <summary>{words.newPerson}</summary>
        <PersonForm known={null} channels={channels} onSaved={onSaved} />
      </details>
    </section>
  );
}
