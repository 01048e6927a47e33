-- Workers hand committed runs over to Temporal. One of them claims a run, so that others do not start it too; a claim ends by itself, so that
-- a run whose claimer died, or that Temporal did not take, is claimed anew.
alter table runs add column claimed_until timestamptz;

-- Whose runs wait, and the oldest of each: claims go round the tenants.
create index runs_unstarted_by_tenant on runs (tenant, created_at) where status = 'queued' and workflow_started_at is null;

create function tell_new_runs() returns trigger language plpgsql as $$
begin
  perform pg_notify('longhaul_runs', '');
  return null;
end $$;
create trigger tell_new_runs after insert on runs for each statement execute function tell_new_runs();
