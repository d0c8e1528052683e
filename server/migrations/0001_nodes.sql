-- Everything but the bytes of the files. Plain SQL where possible: another database may
-- come. Times are milliseconds since 1970-01-01T00:00Z, flags are 0 or 1.

CREATE TABLE nodes (
    -- Order of creation: what listings page by.
    seq                  INTEGER PRIMARY KEY AUTOINCREMENT,
    id                   TEXT NOT NULL UNIQUE,
    kind                 TEXT NOT NULL CHECK (kind IN ('FILE', 'FOLDER', 'ASSET')),
    is_root              INTEGER NOT NULL DEFAULT 0,
    -- Only the root has none.
    name                 TEXT CHECK ((name IS NULL) = (is_root = 1)),
    status               TEXT NOT NULL DEFAULT 'AVAILABLE'
                         CHECK (status IN ('AVAILABLE', 'TRASH', 'PURGED', 'PENDING')),
    -- Put into the trash itself, or with a folder above; a node can be both.
    exclusively_trashed  INTEGER NOT NULL DEFAULT 0,
    recursively_trashed  INTEGER NOT NULL DEFAULT 0,
    version              BIGINT NOT NULL DEFAULT 1,
    created              BIGINT NOT NULL,
    modified             BIGINT NOT NULL,
    created_by           TEXT NOT NULL,
    description          TEXT,
    -- A JSON array of strings.
    labels               TEXT NOT NULL DEFAULT '[]',
    -- The object that holds a file's bytes, and what is known of them.
    object               TEXT UNIQUE,
    content_version      BIGINT,
    size                 BIGINT,
    md5                  TEXT,
    content_type         TEXT,
    extension            TEXT,
    CHECK ((kind = 'FOLDER') = (object IS NULL))
);

CREATE UNIQUE INDEX nodes_root ON nodes (is_root) WHERE is_root = 1;
CREATE INDEX nodes_trash ON nodes (seq) WHERE exclusively_trashed = 1;
CREATE INDEX nodes_name ON nodes (name);
CREATE INDEX nodes_md5 ON nodes (md5) WHERE md5 IS NOT NULL;

-- Which folders hold which nodes: usually one, but the service allows more.
CREATE TABLE edges (
    -- Order of arrival in the folder; never used twice, so that a page cannot skip a node
    -- that came while the folder was being listed.
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    parent  TEXT NOT NULL REFERENCES nodes (id),
    child   TEXT NOT NULL REFERENCES nodes (id),
    -- The child's name in lower case: names are unique in a folder whatever their case.
    folded  TEXT NOT NULL,
    -- Whether the child is AVAILABLE. Any number of trashed nodes may share a name.
    live    INTEGER NOT NULL,
    UNIQUE (child, parent)
);

CREATE UNIQUE INDEX edges_name ON edges (parent, folded) WHERE live = 1;
CREATE INDEX edges_listing ON edges (parent, live, seq);

CREATE TRIGGER nodes_status AFTER UPDATE OF status ON nodes WHEN OLD.status <> NEW.status
BEGIN
    UPDATE edges SET live = (NEW.status = 'AVAILABLE') WHERE child = NEW.id;
END;

-- Objects no node refers to any more, until they are deleted from the content store.
CREATE TABLE garbage (
    object  TEXT PRIMARY KEY
) WITHOUT ROWID;

-- Programs that may use the drive, and what they hold. Secrets and tokens are kept as
-- SHA-256 digests: reading this file gives access to nothing.
CREATE TABLE clients (
    id       TEXT PRIMARY KEY,
    secret   BLOB NOT NULL,
    -- What nodes made by this client have as `createdBy`.
    name     TEXT NOT NULL,
    created  BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE refresh_tokens (
    digest   BLOB PRIMARY KEY,
    client   TEXT NOT NULL REFERENCES clients (id),
    created  BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE access_tokens (
    digest   BLOB PRIMARY KEY,
    client   TEXT NOT NULL REFERENCES clients (id),
    expires  BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX access_tokens_expires ON access_tokens (expires);
