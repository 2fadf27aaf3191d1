import { useSignal } from '@preact/signals';
import { ErrorNote, useAction } from './action.tsx';
import { formatCount, formatTime } from './format.ts';
import type { AnswerOf } from './operator-api.ts';
import { useConsole } from './store.ts';

/** Gate against ledger, at the press of a button. */
export function Audit() {
  const console = useConsole();
  const words = console.words.value.show;
  const language = console.language.value;
  const found = useSignal<AnswerOf<'getAudit'> | null>(null);
  const action = useAction();
  const run = async (): Promise<void> => {
    const { api, livestreamId } = console;
    found.value = (await action.run(() => api('getAudit', { livestreamId }))) ?? found.value;
  };
  const audit = found.value;
  return (
    <section class="box">
      <h2>{words.audit}</h2>
      <div class="tools">
        <p class="quiet">{words.auditText}</p>
        <span class="spring" />
        <button type="button" class="small-button" aria-disabled={action.busy.value} onClick={() => void run()}>
          {action.busy.value ? console.words.value.loading : words.runAudit}
        </button>
      </div>
      <ErrorNote error={action.error.value} language={language} />
      {audit !== null && (
        <>
          <p class="audit-outcome" data-drift={audit.drift} role="status">
            {audit.drift === 0 ? `✓ ${words.auditEqual}` : `! ${words.auditDrift(formatCount(audit.drift, language))}`}{' '}
            <span class="quiet number">{formatTime(audit.atMs, language)}</span>
          </p>
          <AuditTable audit={audit} />
        </>
      )}
    </section>
  );
}

function AuditTable({ audit }: { audit: AnswerOf<'getAudit'> }) {
  const console = useConsole();
  const words = console.words.value;
  return (
    <div class="table-scroll">
      <table class="audit-table">
        <thead>
          <tr>
            <th scope="col">{words.wall.item}</th>
            {(['held', 'sold'] as const).flatMap((name) => [
              <th key={`gate ${name}`} scope="col" class="cell-number">
                {words.show.gate} {words.wall[name]}
              </th>,
              <th key={`ledger ${name}`} scope="col" class="cell-number">
                {words.show.ledger} {words.wall[name]}
              </th>,
            ])}
          </tr>
        </thead>
        <tbody>
          {audit.items.map(({ skuId, gate, ledger }) => {
            const differs = gate !== null && (gate.held !== ledger.held || gate.sold !== ledger.sold);
            return (
              <tr key={skuId} data-differs={differs}>
                <th scope="row">{console.nameOf(skuId)}</th>
                <td class="cell-number">{gate?.held ?? words.show.noGate}</td>
                <td class="cell-number">{ledger.held}</td>
                <td class="cell-number">{gate?.sold ?? words.show.noGate}</td>
                <td class="cell-number">{ledger.sold}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
