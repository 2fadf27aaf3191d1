import { useEffect, useRef } from 'preact/hooks';
import type { ChartInput } from './chart-data.ts';
import { type ChartOptions, ConsumptionChart } from './consumption-chart.ts';

/**
 * The chart as a Preact component. `label` says in a sentence what the picture shows. A change of `options` makes the chart anew: hand in
 * the same object while nothing changes.
 */
export function ChartView(props: {
  readonly input: ChartInput;
  readonly options: Partial<ChartOptions>;
  readonly label: string;
  readonly paused?: boolean;
}) {
  const { input, options, label, paused = false } = props;
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<ConsumptionChart | null>(null);
  useEffect(() => {
    if (host.current === null) return undefined;
    const made = new ConsumptionChart(host.current, options);
    chart.current = made;
    return () => {
      chart.current = null;
      made.destroy();
    };
  }, [options]);
  useEffect(() => {
    chart.current?.set(input);
  }, [input, options]);
  useEffect(() => {
    if (chart.current !== null) chart.current.paused = paused;
  }, [paused]);
  return <div ref={host} class="chart" role="img" aria-label={label} />;
}
