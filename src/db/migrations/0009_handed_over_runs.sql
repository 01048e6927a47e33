-- Runs that the reconciler handed to Temporal and that no worker has begun yet. With runs_unstarted (0001) it answers, without a look at
-- any other run, how old the oldest waiting run is. A run that was started at once is never in it.
create index runs_handed_over on runs (created_at) where status = 'queued' and workflow_started_at is not null;
