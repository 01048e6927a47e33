-- Columns that were meant for retention and for approvals, which nothing has ever written or read.
alter table runs drop column expires_at;
alter table wishes drop column shown_hash, drop column expires_at;
