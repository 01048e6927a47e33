-- Runs that Temporal has lost, because its store was wiped or restored from an older backup, are started again.

-- The namespace of Temporal that carries the runs out, one row: in another one they may look lost while they go on elsewhere.
create table temporal_namespace (
  singleton boolean primary key default true check (singleton),
  id text not null
);
comment on table temporal_namespace is 'The namespace of Temporal that carries the runs out; one row at most';
comment on column temporal_namespace.singleton is 'Always true, so that there is one row';
comment on column temporal_namespace.id is 'What Temporal calls the namespace: a new store has another one under the same name';
grant select, insert, update, delete on temporal_namespace to longhaul_app;

-- As before (0006), and in the order in which the reconciler goes round the open runs: those that are over cost it nothing.
drop index runs_open;
create index runs_open on runs (tenant, id) where status in ('queued', 'running', 'waiting', 'paused', 'cancelling');
