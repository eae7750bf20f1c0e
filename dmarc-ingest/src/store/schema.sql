-- The ledger. Times are seconds since the Unix epoch, UTC. Changed only together with DATASET_VERSION.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;

-- One row for each mail (or file), by its content.
CREATE TABLE mails (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,        -- SHA-256 of its bytes
  source TEXT NOT NULL,             -- where it was read from first
  bytes INTEGER NOT NULL,
  from_domain TEXT, message_id TEXT, date INTEGER, received INTEGER,
  signature TEXT,                   -- what checking its DKIM signature gave; NULL: not checked
  at INTEGER NOT NULL               -- when it was taken in
) STRICT;

-- One row for each report with its content. Several with one identity are a conflict, of which one is active.
CREATE TABLE reports (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,         -- column report_key of its rows
  kind TEXT NOT NULL, reporter TEXT NOT NULL, policy_domain TEXT NOT NULL, report_id TEXT NOT NULL,
  begin INTEGER NOT NULL, "end" INTEGER NOT NULL,
  hash BLOB NOT NULL,               -- SHA-256 of its canonical content
  trust TEXT NOT NULL, rejected INTEGER NOT NULL, sent INTEGER NOT NULL,
  active INTEGER NOT NULL,          -- 1: its rows are in segments; 2: they were, and are erased; 0: it gave way to another
  month TEXT NOT NULL, rows INTEGER NOT NULL, messages INTEGER NOT NULL,
  mail INTEGER NOT NULL REFERENCES mails -- that brought it first
) STRICT;
CREATE UNIQUE INDEX versions ON reports (report_id, begin, "end", kind, reporter, policy_domain, hash);

-- What was in a mail: one row for each part that is or claims to be a report.
CREATE TABLE parts (
  mail INTEGER NOT NULL REFERENCES mails,
  position INTEGER NOT NULL,
  part TEXT NOT NULL,               -- MIME part number and names
  outcome TEXT NOT NULL,            -- report, duplicate, untrusted, refused, other
  reason TEXT,
  report INTEGER REFERENCES reports,
  policy_domain TEXT, reporter TEXT, begin INTEGER, "end" INTEGER, messages INTEGER,
  rejected INTEGER NOT NULL,        -- records of a good report that cannot be counted
  quirks TEXT NOT NULL,             -- deviations that were tolerated: JSON
  PRIMARY KEY (mail, position)
) WITHOUT ROWID, STRICT;
CREATE INDEX parts_of_report ON parts (report);

-- The one word for each mail.
CREATE VIEW receipts AS
SELECT mails.*, CASE coalesce(min(CASE parts.outcome
    WHEN 'refused' THEN 1 WHEN 'untrusted' THEN 2
    WHEN 'report' THEN CASE reports.active WHEN 0 THEN 3 ELSE 4 END
    WHEN 'duplicate' THEN 5 END), 6)
  WHEN 1 THEN 'refused' WHEN 2 THEN 'untrusted' WHEN 3 THEN 'conflict' WHEN 4 THEN 'stored' WHEN 5 THEN 'duplicate'
  ELSE 'not_a_report' END AS outcome
FROM mails LEFT JOIN parts ON parts.mail = mails.id LEFT JOIN reports ON reports.id = parts.report
GROUP BY mails.id;

-- The files that count. NAME is made from the content.
CREATE TABLE segments (
  name TEXT NOT NULL, kind TEXT NOT NULL, month TEXT NOT NULL,
  rows INTEGER NOT NULL, messages INTEGER NOT NULL, bytes INTEGER NOT NULL, hash BLOB NOT NULL,
  PRIMARY KEY (kind, month, name)
) WITHOUT ROWID, STRICT;

-- Files that are kept aside: mails, and rows of reports that gave way to a better one.
CREATE TABLE kept (
  name TEXT PRIMARY KEY, mail INTEGER NOT NULL REFERENCES mails, bytes INTEGER NOT NULL, hash BLOB NOT NULL
) WITHOUT ROWID, STRICT;

-- How far each folder is read, and what is durable there and not acknowledged yet.
CREATE TABLE cursors (
  mailbox TEXT NOT NULL, folder TEXT NOT NULL, uid_validity INTEGER NOT NULL, next_uid INTEGER NOT NULL,
  PRIMARY KEY (mailbox, folder)
) WITHOUT ROWID, STRICT;
CREATE TABLE pending (
  mailbox TEXT NOT NULL, folder TEXT NOT NULL, uid_validity INTEGER NOT NULL, uid INTEGER NOT NULL,
  mail INTEGER NOT NULL REFERENCES mails,
  PRIMARY KEY (mailbox, folder, uid_validity, uid)
) WITHOUT ROWID, STRICT;

-- What was found out about hosts: at NULL: nothing yet; else name NULL: it has none.
CREATE TABLE hosts (
  ip TEXT PRIMARY KEY, name TEXT, confirmed INTEGER NOT NULL DEFAULT 0, at INTEGER,
  tried INTEGER NOT NULL DEFAULT 0  -- when it was last asked for in vain
) WITHOUT ROWID, STRICT;
CREATE INDEX hosts_wanted ON hosts (tried) WHERE at IS NULL;
