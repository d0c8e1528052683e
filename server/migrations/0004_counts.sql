-- How many available nodes of a kind a folder holds, so that the first page of a listing,
-- which tells their number, costs no more than any other; and under '' how many there are in
-- all. Kept by the triggers below, by nothing else.

CREATE TABLE counts (
    folder  TEXT NOT NULL,
    kind    TEXT NOT NULL,
    nodes   BIGINT NOT NULL,
    PRIMARY KEY (folder, kind)
) WITHOUT ROWID;

INSERT INTO counts (folder, kind, nodes)
SELECT e.parent, n.kind, COUNT(*) FROM edges e JOIN nodes n ON n.id = e.child
WHERE e.live = 1 GROUP BY e.parent, n.kind;

INSERT INTO counts (folder, kind, nodes)
SELECT '', kind, COUNT(*) FROM nodes WHERE status = 'AVAILABLE' GROUP BY kind;

CREATE TRIGGER edges_counted AFTER INSERT ON edges WHEN NEW.live = 1
BEGIN
    INSERT INTO counts (folder, kind, nodes)
    SELECT NEW.parent, kind, 1 FROM nodes WHERE id = NEW.child
    ON CONFLICT (folder, kind) DO UPDATE SET nodes = nodes + 1;
END;

CREATE TRIGGER edges_uncounted AFTER DELETE ON edges WHEN OLD.live = 1
BEGIN
    UPDATE counts SET nodes = nodes - 1
    WHERE folder = OLD.parent AND kind = (SELECT kind FROM nodes WHERE id = OLD.child);
END;

CREATE TRIGGER edges_recounted AFTER UPDATE OF live ON edges WHEN OLD.live <> NEW.live
BEGIN
    INSERT INTO counts (folder, kind, nodes)
    SELECT NEW.parent, kind, NEW.live - OLD.live FROM nodes WHERE id = NEW.child
    ON CONFLICT (folder, kind) DO UPDATE SET nodes = nodes + excluded.nodes;
END;

CREATE TRIGGER nodes_counted AFTER INSERT ON nodes WHEN NEW.status = 'AVAILABLE'
BEGIN
    INSERT INTO counts (folder, kind, nodes) VALUES ('', NEW.kind, 1)
    ON CONFLICT (folder, kind) DO UPDATE SET nodes = nodes + 1;
END;

CREATE TRIGGER nodes_uncounted AFTER DELETE ON nodes
BEGIN
    UPDATE counts SET nodes = nodes - 1
    WHERE folder = '' AND kind = OLD.kind AND OLD.status = 'AVAILABLE';
    DELETE FROM counts WHERE folder = OLD.id;
END;

CREATE TRIGGER nodes_recounted AFTER UPDATE OF status ON nodes
WHEN (OLD.status = 'AVAILABLE') <> (NEW.status = 'AVAILABLE')
BEGIN
    INSERT INTO counts (folder, kind, nodes)
    VALUES ('', NEW.kind, (NEW.status = 'AVAILABLE') - (OLD.status = 'AVAILABLE'))
    ON CONFLICT (folder, kind) DO UPDATE SET nodes = nodes + excluded.nodes;
END;
