import type { Outline } from '../../src/contracts/outline';
import type { RunInput } from '../../src/workflows/messages';
import { RULES, step } from '../support/story';

/**
 * Histories written by hand, event by event, as Temporal writes them: what the story must ask for, in which order, stands here and not
 * in a recording of what it did ask for. The flags of the SDK in the completed task are needed, else a renamed activity goes unnoticed.
 */
type Event = Record<string, unknown>;

const json = (value: unknown) => ({
  metadata: { encoding: Buffer.from('json/plain').toString('base64') },
  data: Buffer.from(JSON.stringify(value)).toString('base64'),
});
const payloads = (value: unknown) => ({ payloads: [json(value)] });
const TIME = '2026-01-01T00:00:00Z';

/** The start of a run and its first task, in which everything instant happens. */
function begin(input: RunInput): Event[] {
  return [
    {
      eventType: 'EVENT_TYPE_WORKFLOW_EXECUTION_STARTED',
      workflowExecutionStartedEventAttributes: {
        workflowType: { name: 'run' },
        taskQueue: { name: 'hand-runs' },
        input: payloads(input),
        originalExecutionRunId: 'hand-built',
        firstExecutionRunId: 'hand-built',
        workflowId: input.run_id,
        workflowTaskTimeout: '5s',
        attempt: 1,
      },
    },
    {
      eventType: 'EVENT_TYPE_WORKFLOW_TASK_SCHEDULED',
      workflowTaskScheduledEventAttributes: {
        taskQueue: { name: 'hand-runs' },
        startToCloseTimeout: '5s',
        attempt: 1,
      },
    },
    {
      eventType: 'EVENT_TYPE_WORKFLOW_TASK_STARTED',
      workflowTaskStartedEventAttributes: { scheduledEventId: '2' },
    },
    {
      eventType: 'EVENT_TYPE_WORKFLOW_TASK_COMPLETED',
      workflowTaskCompletedEventAttributes: {
        scheduledEventId: '2',
        startedEventId: '3',
        sdkMetadata: {
          langUsedFlags: [],
          coreUsedFlags: [1, 2, 3],
          sdkName: 'temporal-typescript',
          sdkVersion: '1.24.0',
        },
      },
    },
  ];
}

/** The deadline of a run that lives longer than its first task: Temporal never hears of any other. */
const DEADLINE: Event = {
  eventType: 'EVENT_TYPE_TIMER_STARTED',
  timerStartedEventAttributes: {
    timerId: '1',
    startToFireTimeout: '3600s',
    workflowTaskCompletedEventId: '4',
  },
};

/** A task of its own, from event 6 on: the first one was told in time that its instant work goes on. */
const SECOND_TASK: Event[] = [
  {
    eventType: 'EVENT_TYPE_WORKFLOW_TASK_SCHEDULED',
    workflowTaskScheduledEventAttributes: {
      taskQueue: { name: 'hand-runs' },
      startToCloseTimeout: '5s',
      attempt: 1,
    },
  },
  {
    eventType: 'EVENT_TYPE_WORKFLOW_TASK_STARTED',
    workflowTaskStartedEventAttributes: { scheduledEventId: '6' },
  },
  {
    eventType: 'EVENT_TYPE_WORKFLOW_TASK_COMPLETED',
    workflowTaskCompletedEventAttributes: { scheduledEventId: '6', startedEventId: '7' },
  },
];
const DEADLINE_STOPPED: Event = {
  eventType: 'EVENT_TYPE_TIMER_CANCELED',
  timerCanceledEventAttributes: { timerId: '1', startedEventId: '5', workflowTaskCompletedEventId: '8' },
};

/** A local activity that ended with this result. */
function local(seq: number, activity_type: string, result: unknown): Event {
  const time = { seconds: 1_767_225_600, nanos: 0 };
  const data = {
    seq,
    attempt: 1,
    activity_id: String(seq),
    activity_type,
    complete_time: time,
    backoff: null,
    original_schedule_time: time,
  };
  return {
    eventType: 'EVENT_TYPE_MARKER_RECORDED',
    markerRecordedEventAttributes: {
      markerName: 'core_local_activity',
      details: { data: payloads(data), result: payloads(result) },
      workflowTaskCompletedEventId: '4',
    },
  };
}

function end(status: string): Event[] {
  return [
    {
      eventType: 'EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES',
      upsertWorkflowSearchAttributesEventAttributes: {
        workflowTaskCompletedEventId: '4',
        searchAttributes: { indexedFields: { RunStatus: json(status) } },
      },
    },
    {
      eventType: 'EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED',
      workflowExecutionCompletedEventAttributes: { workflowTaskCompletedEventId: '4' },
    },
  ];
}

/** A step on the lane of slow tools that was asked for and has not ended: the run is open. */
function slowStep(id: string): Event {
  return {
    eventType: 'EVENT_TYPE_ACTIVITY_TASK_SCHEDULED',
    activityTaskScheduledEventAttributes: {
      activityId: `${id}@1`,
      activityType: { name: 'useTool' },
      taskQueue: { name: 'hand-tools' },
      workflowTaskCompletedEventId: '4',
    },
  };
}

function history(...events: Event[]): { events: Event[] } {
  return { events: events.map((event, i) => ({ eventId: String(i + 1), eventTime: TIME, ...event })) };
}

const input: RunInput = { run_id: 'run_hand', rules: RULES, deadline_at_ms: Date.parse(TIME) + 3_600_000 };
const outline = (...steps: Outline['steps']): Outline => ({ plan_version: 1, steps });
const drafted = (plan: Outline, to_judge = true) => ({
  status: 'drafted',
  outline: plan,
  to_judge,
  wish: null,
});
const completed = (step_id: string) => ({ step_id, status: 'completed', skipped: [], wish: null });

export const handBuilt = {
  'plan, judge, two instant steps, answer': history(
    ...begin(input),
    local(1, 'draftPlan', drafted(outline(step('a'), step('b', { needs: ['a'] })))),
    local(2, 'judgePlan', { accepted: true, wish: null }),
    local(3, 'carryOutInstantly', { ended: [completed('a'), completed('b')], again: null, answered: false }),
    local(4, 'writeAnswer', { wish: null }),
    ...end('completed'),
  ),
  'all at once: an accepted plan, then steps and answer': history(
    ...begin(input),
    local(1, 'draftPlan', drafted(outline(step('a')), false)),
    local(2, 'carryOutInstantly', { ended: [completed('a')], again: null, answered: true }),
    ...end('completed'),
  ),
  'instant work that took longer than a task may': history(
    ...begin(input),
    DEADLINE,
    ...SECOND_TASK,
    local(1, 'draftPlan', drafted(outline(step('a')), false)),
    local(2, 'carryOutInstantly', { ended: [completed('a')], again: null, answered: true }),
    DEADLINE_STOPPED,
    ...end('completed'),
  ),
  'a given plan, open, with two slow steps under way': history(
    ...begin(input),
    DEADLINE,
    local(
      1,
      'draftPlan',
      drafted(outline(step('a', { lane: 'tools' }), step('b', { lane: 'tools' })), false),
    ),
    slowStep('a'),
    slowStep('b'),
  ),
  'three rejected rounds': history(
    ...begin(input),
    local(1, 'draftPlan', { status: 'rejected', wish: null }),
    local(2, 'draftPlan', drafted(outline(step('a')))),
    local(3, 'judgePlan', { accepted: false, wish: null }),
    local(4, 'draftPlan', { status: 'rejected', wish: null }),
    local(5, 'endRun', { status: 'cancelled' }),
    ...end('cancelled'),
  ),
};
