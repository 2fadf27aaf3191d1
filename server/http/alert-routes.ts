import type { AlertDesk, AlertOutcome } from '../alerts/alert-desk.ts';
import type { Notifier } from '../notify/notifier.ts';
import { actorOf, HttpError, type RouteHandlers } from './request.ts';

type AlertRoutes =
  | 'listAlerts'
  | 'getAlert'
  | 'acknowledgeAlert'
  | 'unacknowledgeAlert'
  | 'silenceAlert'
  | 'assignAlert'
  | 'resolveAlert'
  | 'listTasks'
  | 'closeTask';
type PlanRoutes = 'getPlans' | 'putPlan' | 'putLivestreamPlan' | 'planHistory';

export type AlertRouteDeps = { readonly desk: AlertDesk; readonly notifier: Pick<Notifier, 'deliveriesOf'> };

/** Handlers of the routes of alerts, tasks and plans. */
export function alertHandlers({ desk, notifier }: AlertRouteDeps): Pick<RouteHandlers, AlertRoutes | PlanRoutes> {
  return { ...alertLife(desk, notifier), ...tasksAndPlans(desk) };
}

function alertLife(
  desk: AlertDesk,
  notifier: AlertRouteDeps['notifier'],
): Pick<RouteHandlers, Exclude<AlertRoutes, 'listTasks' | 'closeTask'>> {
  return {
    listAlerts: async ({ params, query }) => ({ alerts: [...(await desk.list(params.livestreamId, query.state))] }),
    async getAlert({ params: { livestreamId, alertId } }) {
      const found = await desk.find(livestreamId, alertId);
      if (found === null) throw new HttpError('route_not_found');
      return { alert: found.alert, events: [...found.events], deliveries: [...(await notifier.deliveriesOf(alertId))] };
    },
    acknowledgeAlert: async ({ params: { livestreamId, alertId }, body, grant }) =>
      doneOrRefused(await desk.acknowledge(livestreamId, alertId, actorOf(grant), body.note)),
    unacknowledgeAlert: async ({ params: { livestreamId, alertId }, grant }) =>
      doneOrRefused(await desk.unacknowledge(livestreamId, alertId, actorOf(grant))),
    silenceAlert: async ({ params: { livestreamId, alertId }, body, grant }) =>
      doneOrRefused(await desk.silence(livestreamId, alertId, body.minutes, actorOf(grant))),
    async assignAlert({ params: { livestreamId, alertId }, body, grant }) {
      const outcome = await desk.assign(livestreamId, alertId, body.personId, actorOf(grant));
      if (outcome.kind === 'no_person') {
        throw new HttpError('not_found', {
          message: { zh: `没有人员 ${body.personId}`, en: `There is no person ${body.personId}.` },
        });
      }
      return doneOrRefused(outcome);
    },
    resolveAlert: async ({ params: { livestreamId, alertId }, grant }) =>
      doneOrRefused(await desk.resolve(livestreamId, alertId, actorOf(grant))),
  };
}

function tasksAndPlans(desk: AlertDesk): Pick<RouteHandlers, 'listTasks' | 'closeTask' | PlanRoutes> {
  return {
    listTasks: async ({ params }) => ({ tasks: [...(await desk.tasks(params.livestreamId))] }),
    async closeTask({ params: { livestreamId, taskId }, body, grant }) {
      const task = await desk.closeTask(livestreamId, taskId, { ...body, actor: actorOf(grant) });
      if (task === 'not_found') throw new HttpError('route_not_found');
      if (task === 'conflict') {
        throw new HttpError('conflict', {
          message: { zh: '任务已以另一种方式关闭', en: 'This task was closed in another way already.' },
        });
      }
      return { task };
    },
    async getPlans({ params }) {
      const { plannedEndAtMs, items } = await desk.plans(params.livestreamId);
      return { livestream: { plannedEndAtMs }, items: [...items] };
    },
    async putPlan({ params: { livestreamId, skuId }, body, grant }) {
      if (body.yellowPercent >= body.orangePercent || body.orangePercent >= body.redPercent) {
        const message = 'yellowPercent, orangePercent and redPercent must ascend';
        throw new HttpError('bad_request', { issues: [{ path: 'orangePercent', message }] });
      }
      const item = await desk.putPlan(livestreamId, skuId, body, actorOf(grant));
      if (item === 'not_found') throw new HttpError('not_found', { skuId });
      if (item === 'conflict') {
        throw new HttpError('conflict', {
          message: { zh: '直播已结束，预估不能再改', en: 'The livestream has ended; its plans stay as they are.' },
        });
      }
      return { item };
    },
    async putLivestreamPlan({ params: { livestreamId }, body, grant }) {
      const known = await desk.putPlannedEnd(livestreamId, body.plannedEndAtMs, actorOf(grant));
      if (!known) throw new HttpError('route_not_found');
      return { livestream: body };
    },
    async planHistory({ params: { livestreamId, skuId } }) {
      const changes = await desk.planHistory(livestreamId, skuId);
      return {
        changes: changes.map(({ atMs, actor, plan, reasons }) => ({ atMs, actor, plan, reasons: [...reasons] })),
      };
    },
  };
}

function doneOrRefused(outcome: AlertOutcome) {
  if (outcome.kind === 'done') return { alert: outcome.alert };
  if (outcome.kind === 'not_found') throw new HttpError('route_not_found');
  throw new HttpError('conflict', {
    message: { zh: '告警已解决', en: 'This alert has been resolved.' },
  });
}
