-- What happened to the drive since when, and all that nodes have besides themselves.

-- The order in which nodes last changed: one row a node, which moves to the end with each
-- change. A number is never used twice, so a reader that knows one has seen all up to it.
CREATE TABLE changes (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    node  TEXT NOT NULL UNIQUE
);

INSERT INTO changes (node) SELECT id FROM nodes ORDER BY seq;

CREATE TRIGGER nodes_changes_insert AFTER INSERT ON nodes
BEGIN
    INSERT INTO changes (node) VALUES (NEW.id);
END;

-- Every change of a node counts its version up, once.
CREATE TRIGGER nodes_changes_update AFTER UPDATE OF version ON nodes
BEGIN
    DELETE FROM changes WHERE node = NEW.id;
    INSERT INTO changes (node) VALUES (NEW.id);
END;

-- When a node itself was put into the trash: what has lain there for long is purged. What
-- lies there already was put there when nothing was ever purged: its time begins now.
ALTER TABLE nodes ADD COLUMN trashed BIGINT;
UPDATE nodes SET trashed = unixepoch() * 1000 WHERE exclusively_trashed = 1;
CREATE INDEX nodes_trashed ON nodes (trashed) WHERE exclusively_trashed = 1;

-- What is known of nodes that are gone for good, so that readers of the changes hear of it.
CREATE TABLE purged (
    id          TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,
    version     BIGINT NOT NULL,
    created     BIGINT NOT NULL,
    modified    BIGINT NOT NULL,
    created_by  TEXT NOT NULL
) WITHOUT ROWID;

-- What programs have noted of nodes, each under its own name.
CREATE TABLE properties (
    node   TEXT NOT NULL REFERENCES nodes (id),
    owner  TEXT NOT NULL,
    key    TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (node, owner, key)
) WITHOUT ROWID;

-- Ids that clients chose before they made a node, so that making it again makes no second.
CREATE TABLE local_ids (
    local_id  TEXT PRIMARY KEY,
    node      TEXT NOT NULL REFERENCES nodes (id)
) WITHOUT ROWID;

CREATE INDEX local_ids_node ON local_ids (node);

-- Addresses of content that need no token: when a file's was given out. The address itself
-- is derived from this and from the drive's key.
CREATE TABLE temp_links (
    node    TEXT PRIMARY KEY REFERENCES nodes (id),
    issued  BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE drive (
    only           INTEGER PRIMARY KEY CHECK (only = 1),
    temp_link_key  BLOB NOT NULL,
    -- Tells this history of changes from those of other drives and of older copies of this
    -- one, whose numbers mean something else.
    history        BLOB NOT NULL
);

INSERT INTO drive (only, temp_link_key, history) VALUES (1, randomblob(32), randomblob(4));

-- What is known of a picture: a JSON object in the service's shape, and when it was taken.
ALTER TABLE nodes ADD COLUMN image TEXT;
ALTER TABLE nodes ADD COLUMN content_date BIGINT;

-- The service's categories of use.
ALTER TABLE nodes ADD COLUMN category TEXT GENERATED ALWAYS AS (CASE
    WHEN content_type LIKE 'image/%' THEN 'photo'
    WHEN content_type LIKE 'video/%' THEN 'video'
    WHEN content_type LIKE 'text/%' OR content_type LIKE 'application/pdf%'
        OR content_type LIKE 'application/rtf%' OR content_type LIKE 'application/msword%'
        OR content_type LIKE 'application/vnd.ms-%'
        OR content_type LIKE 'application/vnd.openxmlformats-officedocument.%' THEN 'doc'
    ELSE 'other'
END) VIRTUAL;

-- How much there is, trashed files included: kept as it changes, since adding it up would
-- read every node.
CREATE TABLE usage (
    category  TEXT PRIMARY KEY,
    bytes     BIGINT NOT NULL,
    count     BIGINT NOT NULL
) WITHOUT ROWID;

INSERT INTO usage (category, bytes, count)
    SELECT category, SUM(size), COUNT(*) FROM nodes WHERE object IS NOT NULL GROUP BY category;

CREATE TRIGGER nodes_usage_insert AFTER INSERT ON nodes WHEN NEW.object IS NOT NULL
BEGIN
    INSERT INTO usage (category, bytes, count) VALUES (NEW.category, NEW.size, 1)
        ON CONFLICT (category) DO UPDATE SET bytes = bytes + excluded.bytes, count = count + 1;
END;

CREATE TRIGGER nodes_usage_delete AFTER DELETE ON nodes WHEN OLD.object IS NOT NULL
BEGIN
    UPDATE usage SET bytes = bytes - OLD.size, count = count - 1 WHERE category = OLD.category;
END;

CREATE TRIGGER nodes_usage_update AFTER UPDATE OF size, content_type ON nodes
    WHEN OLD.object IS NOT NULL
BEGIN
    UPDATE usage SET bytes = bytes - OLD.size, count = count - 1 WHERE category = OLD.category;
    INSERT INTO usage (category, bytes, count) VALUES (NEW.category, NEW.size, 1)
        ON CONFLICT (category) DO UPDATE SET bytes = bytes + excluded.bytes, count = count + 1;
END;
