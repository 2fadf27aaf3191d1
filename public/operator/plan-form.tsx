import { useSignal } from '@preact/signals';
import type * as z from 'zod/mini';
import type { Confidence, CurveClass, ItemPlan, ItemPlanView } from '../../contract/alerts.ts';
import type { ItemInfo } from '../../contract/livestreams.ts';
import { textIn } from '../lib/languages.ts';
import { ErrorNote, submitting, useAction } from './action.tsx';
import { CheckField, SelectField, TextField } from './fields.tsx';
import { countOf } from './form-values.ts';
import { formatCount, formatMoment } from './format.ts';
import { TierBadge } from './icons.tsx';
import type { AnswerOf } from './operator-api.ts';
import { planOf } from './plan-values.ts';
import { useConsole } from './store.ts';

const tiers = ['yellow', 'orange', 'red'] as const;

/** Estimate and thresholds of one item, and what follows from them now. */
export function PlanForm({ item }: { item: ItemInfo }) {
  const console = useConsole();
  const plans = console.plans.value;
  if (plans === null) return <p class="quiet">{console.words.value.loading}</p>;
  return <PlanFields skuId={item.skuId} view={plans.items.get(item.skuId)} />;
}

const defaults: ItemPlan = {
  estimate: null,
  confidence: 'high',
  leadTimeDays: 3,
  curveClass: 'steady',
  core: false,
  redPolicy: 'ask',
  dynamicLine: true,
  yellowPercent: 80,
  orangePercent: 100,
  redPercent: 120,
};

/** What is being written, and the plan that it makes; null while a number is none or the percents do not ascend. */
function usePlanForm(plan: ItemPlan) {
  const form = {
    estimate: useSignal(plan.estimate === null ? '' : String(plan.estimate)),
    leadTimeDays: useSignal(String(plan.leadTimeDays)),
    confidence: useSignal<z.infer<typeof Confidence>>(plan.confidence),
    curveClass: useSignal<CurveClass>(plan.curveClass),
    core: useSignal(plan.core),
    redPolicy: useSignal(plan.redPolicy),
    dynamicLine: useSignal(plan.dynamicLine),
    percents: {
      yellow: useSignal(String(plan.yellowPercent)),
      orange: useSignal(String(plan.orangePercent)),
      red: useSignal(String(plan.redPercent)),
    },
  };
  const { yellow, orange, red } = form.percents;
  const wanted = planOf({
    estimate: form.estimate.value,
    leadTimeDays: form.leadTimeDays.value,
    percents: [yellow.value, orange.value, red.value],
    rest: {
      confidence: form.confidence.value,
      curveClass: form.curveClass.value,
      core: form.core.value,
      redPolicy: form.redPolicy.value,
      dynamicLine: form.dynamicLine.value,
    },
  });
  return { form, wanted };
}

function PlanFields({ skuId, view }: { skuId: string; view: ItemPlanView | undefined }) {
  const console = useConsole();
  const words = console.words.value;
  const { form, wanted } = usePlanForm(view?.plan ?? defaults);
  const action = useAction();
  const submit = async (): Promise<void> => {
    if (wanted === null) return;
    const { api, livestreamId } = console;
    const saved = await action.run(() => api('putPlan', { livestreamId, skuId }, { body: wanted }));
    if (saved === null) return;
    const known = console.plans.value;
    if (known !== null) console.plans.value = { ...known, items: new Map(known.items).set(skuId, saved.item) };
    console.say(words.saved);
  };
  return (
    <form class="box plan" onSubmit={submitting(submit)}>
      <h3>{words.panel.sections.plan}</h3>
      <PlanFindings view={view} />
      <PlanInputs form={form} />
      {wanted === null && (
        <p class="hint hint-bad">
          {words.panel.invalid} {words.plan.ascending}
        </p>
      )}
      <ErrorNote error={action.error.value} language={console.language.value} />
      <button type="submit" class="button button-quiet" aria-disabled={wanted === null || action.busy.value}>
        {action.busy.value ? words.saving : words.save}
      </button>
      <PlanHistory skuId={skuId} />
    </form>
  );
}

function PlanInputs({ form }: { form: ReturnType<typeof usePlanForm>['form'] }) {
  const console = useConsole();
  const words = console.words.value.plan;
  const { estimate, leadTimeDays, confidence, curveClass, core, redPolicy, dynamicLine, percents } = form;
  return (
    <>
      <div class="field-row">
        <TextField
          label={words.estimate}
          value={estimate}
          numeric
          hint={words.estimateNone}
          invalid={estimate.value.trim() !== '' && countOf(estimate.value) === undefined}
        />
        <SelectField
          label={words.confidence}
          value={confidence.value}
          options={words.confidences}
          onPick={(next) => (confidence.value = next)}
        />
        <TextField
          label={words.leadTimeDays}
          value={leadTimeDays}
          numeric
          invalid={countOf(leadTimeDays.value, { max: 365 }) === undefined}
        />
      </div>
      <div class="field-row">
        <SelectField
          label={words.curveClass}
          value={curveClass.value}
          options={words.curveClasses}
          onPick={(next) => (curveClass.value = next)}
        />
        <SelectField
          label={words.redPolicy}
          value={redPolicy.value}
          options={words.redPolicies}
          onPick={(next) => (redPolicy.value = next)}
        />
      </div>
      <fieldset>
        <legend>{words.percents}</legend>
        <div class="field-row">
          {tiers.map((tier) => (
            <TextField
              key={tier}
              label={console.words.value.tier[tier]}
              value={percents[tier]}
              numeric
              invalid={countOf(percents[tier].value, { min: 1, max: 1_000 }) === undefined}
            />
          ))}
        </div>
      </fieldset>
      <CheckField
        label={words.dynamicLine}
        checked={dynamicLine.value}
        onToggle={(next) => (dynamicLine.value = next)}
      />
      <CheckField label={words.core} checked={core.value} onToggle={(next) => (core.value = next)} />
    </>
  );
}

/** The coverage line with its reasons, and the tiers that cannot fire. */
function PlanFindings({ view }: { view: ItemPlanView | undefined }) {
  const console = useConsole();
  const words = console.words.value;
  const language = console.language.value;
  const { coverageLine = null, coefficient = null, reasons = [], unreachable = [] } = view ?? {};
  return (
    <div class="findings">
      <p>
        {coverageLine === null || coefficient === null
          ? words.plan.noCoverage
          : words.plan.coverageLine(
              formatCount(Math.round(coverageLine), language),
              String(Math.round(coefficient * 100) / 100),
            )}
      </p>
      {reasons.length > 0 && (
        <ul class="reasons">
          {reasons.map((reason) => (
            <li key={reason.zh}>{textIn(language, reason)}</li>
          ))}
        </ul>
      )}
      {unreachable.length > 0 && (
        <>
          <p>{words.plan.unreachable}</p>
          <ul>
            {unreachable.map(({ basis, tier, why }) => (
              <li key={`${basis} ${tier}`}>
                <TierBadge tier={tier} text={words.tier[tier]} /> {words.basis[basis]}
                <span class="quiet"> {textIn(language, why)}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

function PlanHistory({ skuId }: { skuId: string }) {
  const console = useConsole();
  const words = console.words.value.plan;
  const language = console.language.value;
  const found = useSignal<AnswerOf<'planHistory'>['changes'] | null>(null);
  const action = useAction();
  const look = async (): Promise<void> => {
    const { api, livestreamId } = console;
    const answer = await action.run(() => api('planHistory', { livestreamId, skuId }));
    if (answer !== null) found.value = answer.changes;
  };
  return (
    <details class="markers" onToggle={({ currentTarget }) => currentTarget.open && void look()}>
      <summary>{words.history}</summary>
      <ErrorNote error={action.error.value} language={language} />
      <ol class="history">
        {found.value?.map(({ atMs, actor, plan, reasons }) => (
          <li key={atMs}>
            <time class="number">{formatMoment(atMs, language)}</time>
            <span>
              <b>{actor}</b>{' '}
              {words.changed(
                formatCount(plan.estimate, language),
                `${plan.yellowPercent}/${plan.orangePercent}/${plan.redPercent} %`,
              )}{' '}
              <span class="quiet">{reasons.map((reason) => textIn(language, reason)).join(' ')}</span>
            </span>
          </li>
        ))}
        {found.value?.length === 0 && <li class="quiet">{words.noHistory}</li>}
      </ol>
    </details>
  );
}
