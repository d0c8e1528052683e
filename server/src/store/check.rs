//! Whether the metadata agree with themselves: what to look for, in SQL, and what can be put
//! right.

use std::path::Path;

use futures::{Stream, TryStreamExt, future};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{BUSY, Reading};
use crate::{fsck::Problem, names};

/// A row that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suspect {
    pub(crate) problem: Problem,
    pub(crate) node: Option<String>,
    pub(crate) detail: String,
}

/// Each finds rows of a node's id, if it is about one, and of what is wrong.
const CHECKS: &[(Problem, &str)] = &[
    (
        Problem::DamagedDatabase,
        "SELECT NULL, integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
    ),
    (
        Problem::DanglingReference,
        "SELECT CASE f.\"table\" WHEN 'edges' THEN (SELECT child FROM edges e WHERE e.seq = f.rowid) END,
                'a row of ' || f.\"table\" || ' refers to a row that is missing from ' || f.parent
         FROM pragma_foreign_key_check f",
    ),
    (
        Problem::NotOneRoot,
        "SELECT NULL, 'there are ' || roots || ' roots'
         FROM (SELECT COUNT(*) AS roots FROM nodes WHERE is_root = 1) WHERE roots <> 1",
    ),
    (
        Problem::BadRoot,
        "SELECT id, 'the root is a ' || kind || ', ' || status || ', in '
                    || (SELECT COUNT(*) FROM edges WHERE child = n.id) || ' folders'
         FROM nodes n WHERE is_root = 1 AND (kind <> 'FOLDER' OR status <> 'AVAILABLE'
             OR EXISTS (SELECT 1 FROM edges WHERE child = n.id))",
    ),
    (
        Problem::NoParent,
        "SELECT id, 'it is in no folder' FROM nodes n
         WHERE is_root = 0 AND NOT EXISTS (SELECT 1 FROM edges WHERE child = n.id)",
    ),
    (
        Problem::ParentNotAFolder,
        "SELECT e.child, 'it is in the ' || p.kind || ' ' || e.parent
         FROM edges e JOIN nodes p ON p.id = e.parent JOIN nodes c ON c.id = e.child
         WHERE p.kind <> 'FOLDER' AND NOT (c.kind = 'ASSET' AND p.kind = 'FILE')",
    ),
    (
        Problem::Unreachable,
        "WITH RECURSIVE reached (id) AS (
             SELECT id FROM nodes WHERE is_root = 1
             UNION
             SELECT e.child FROM reached r JOIN edges e ON e.parent = r.id
         )
         SELECT id, 'no way leads to it from the root' FROM nodes n
         WHERE is_root = 0 AND EXISTS (SELECT 1 FROM edges WHERE child = n.id)
             AND id NOT IN (SELECT id FROM reached)",
    ),
    (
        Problem::WrongLiveFlag,
        "SELECT e.child, 'it is ' || n.status || ', and in the folder ' || e.parent || ' stands as '
                         || CASE e.live WHEN 1 THEN '' ELSE 'not ' END || 'available'
         FROM edges e JOIN nodes n ON n.id = e.child WHERE e.live <> (n.status = 'AVAILABLE')",
    ),
    (
        Problem::WrongTrashFlags,
        "SELECT id, 'it is ' || status || ', and its flags say trashed '
                    || exclusively_trashed || ', trashed with a folder ' || recursively_trashed
         FROM nodes
         WHERE (status = 'TRASH') <> (exclusively_trashed <> 0 OR recursively_trashed <> 0)
             AND status IN ('AVAILABLE', 'TRASH')",
    ),
    (
        Problem::IncompleteFile,
        "SELECT id, 'its size, digest or version is missing' FROM nodes
         WHERE object IS NOT NULL AND (size IS NULL OR size < 0 OR md5 IS NULL OR length(md5) <> 32
             OR content_version IS NULL OR content_type IS NULL)",
    ),
    (
        Problem::UsedGarbage,
        "SELECT n.id, 'its object ' || g.object || ' is about to be deleted'
         FROM garbage g JOIN nodes n ON n.object = g.object",
    ),
    (
        Problem::MissingChange,
        "SELECT id, 'readers of the changes do not hear of it' FROM nodes
         WHERE id NOT IN (SELECT node FROM changes)",
    ),
    (
        Problem::WrongUsage,
        "WITH added (category, bytes, count) AS (
             SELECT category, SUM(size), COUNT(*) FROM nodes WHERE object IS NOT NULL GROUP BY category
         )
         SELECT NULL, 'there are ' || COALESCE(a.count, 0) || ' files of ' || COALESCE(a.bytes, 0)
                    || ' bytes of the category ' || COALESCE(u.category, a.category) || ', and '
                    || COALESCE(u.count, 0) || ' of ' || COALESCE(u.bytes, 0) || ' are said to be'
         FROM usage u FULL JOIN added a ON a.category = u.category
         WHERE COALESCE(u.count, 0) <> COALESCE(a.count, 0) OR COALESCE(u.bytes, 0) <> COALESCE(a.bytes, 0)",
    ),
    (
        Problem::WrongCount,
        "WITH counted (folder, kind, nodes) AS (
             SELECT e.parent, n.kind, COUNT(*) FROM edges e JOIN nodes n ON n.id = e.child
             WHERE e.live = 1 GROUP BY e.parent, n.kind
             UNION ALL
             SELECT '', kind, COUNT(*) FROM nodes WHERE status = 'AVAILABLE' GROUP BY kind
         )
         SELECT NULLIF(COALESCE(k.folder, c.folder), ''),
                COALESCE(c.nodes, 0) || ' of kind ' || COALESCE(k.kind, c.kind) || ' are there, and '
                    || COALESCE(k.nodes, 0) || ' are said to be'
         FROM counts k FULL JOIN counted c ON c.folder = k.folder AND c.kind = k.kind
         WHERE COALESCE(k.nodes, 0) <> COALESCE(c.nodes, 0)",
    ),
];

impl Reading {
    /// Starts to see one moment's state, and goes on seeing it.
    pub(crate) async fn hold_snapshot(&mut self) -> Result<(), sqlx::Error> {
        // The first read is what takes the snapshot.
        sqlx::raw_sql("BEGIN; SELECT COUNT(*) FROM nodes WHERE is_root = 1")
            .execute(&mut self.connection)
            .await
            .map(drop)
    }

    /// The checks there are, for [`suspects`](Self::suspects).
    pub(crate) fn checks() -> impl Iterator<Item = usize> {
        0..CHECKS.len()
    }

    /// What one of the checks finds.
    pub(crate) fn suspects(
        &mut self,
        check: usize,
    ) -> impl Stream<Item = Result<Suspect, sqlx::Error>> + '_ {
        let (problem, sql) = CHECKS[check];
        sqlx::query_as(sql).fetch(&mut self.connection).map_ok(
            move |(node, detail): (Option<String>, String)| Suspect {
                problem,
                node,
                detail,
            },
        )
    }

    /// Nodes whose name in lower case, as a folder has it, is another than their own.
    pub(crate) fn wrong_lower_case(
        &mut self,
    ) -> impl Stream<Item = Result<Suspect, sqlx::Error>> + '_ {
        let sql = "SELECT e.child, e.folded, COALESCE(n.name, '') FROM edges e JOIN nodes n ON n.id = e.child";
        sqlx::query_as(sql)
            .fetch(&mut self.connection)
            .try_filter_map(|(node, folded, name): (String, String, String)| {
                let wrong = (names::fold(&name) != folded).then(|| Suspect {
                    problem: Problem::WrongLowerCase,
                    node: Some(node),
                    detail: format!("its name is looked for as '{folded}'"),
                });
                future::ok(wrong)
            })
    }

    /// Folders that lie in themselves, or between two that do. What is being looked at is
    /// kept in temporary tables, which SQLite keeps on the disk when they are large.
    pub(crate) async fn find_cycles(&mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(
            "DROP TABLE IF EXISTS temp.folders;
             DROP TABLE IF EXISTS temp.inside;
             DROP TABLE IF EXISTS temp.leaves;
             CREATE TEMP TABLE folders (seq INTEGER PRIMARY KEY, inner_ones INTEGER NOT NULL, outer_ones INTEGER NOT NULL);
             CREATE TEMP TABLE inside (parent INTEGER NOT NULL, child INTEGER NOT NULL);
             CREATE TEMP TABLE leaves (seq INTEGER PRIMARY KEY);
             INSERT INTO temp.inside SELECT p.seq, c.seq FROM nodes c
                 JOIN edges e ON e.child = c.id JOIN nodes p ON p.id = e.parent WHERE c.kind = 'FOLDER';
             CREATE INDEX temp.inside_child ON inside (child);
             CREATE INDEX temp.inside_parent ON inside (parent);
             INSERT INTO temp.folders SELECT seq,
                 (SELECT COUNT(*) FROM temp.inside i WHERE i.parent = n.seq),
                 (SELECT COUNT(*) FROM temp.inside i WHERE i.child = n.seq)
                 FROM nodes n WHERE kind = 'FOLDER';
             CREATE INDEX temp.folders_leaves ON folders (seq) WHERE inner_ones = 0 OR outer_ones = 0",
        )
        .execute(&mut self.connection)
        .await?;
        // Takes away the folders that hold none, or lie in none, over and over.
        loop {
            let taken = sqlx::query(
                "INSERT INTO temp.leaves SELECT seq FROM temp.folders WHERE inner_ones = 0 OR outer_ones = 0",
            )
            .execute(&mut self.connection)
            .await?
            .rows_affected();
            if taken == 0 {
                return Ok(());
            }
            sqlx::raw_sql(
                "DELETE FROM temp.folders WHERE seq IN (SELECT seq FROM temp.leaves);
                 UPDATE temp.folders SET inner_ones = inner_ones - (
                         SELECT COUNT(*) FROM temp.inside i JOIN temp.leaves l ON l.seq = i.child
                         WHERE i.parent = folders.seq)
                     WHERE seq IN (SELECT i.parent FROM temp.leaves l JOIN temp.inside i ON i.child = l.seq);
                 UPDATE temp.folders SET outer_ones = outer_ones - (
                         SELECT COUNT(*) FROM temp.inside i JOIN temp.leaves l ON l.seq = i.parent
                         WHERE i.child = folders.seq)
                     WHERE seq IN (SELECT i.child FROM temp.leaves l JOIN temp.inside i ON i.parent = l.seq);
                 DELETE FROM temp.leaves",
            )
            .execute(&mut self.connection)
            .await?;
        }
    }

    /// What [`find_cycles`](Self::find_cycles) has found.
    pub(crate) fn cycles(&mut self) -> impl Stream<Item = Result<Suspect, sqlx::Error>> + '_ {
        let sql = "SELECT n.id FROM temp.folders f JOIN nodes n ON n.seq = f.seq";
        sqlx::query_scalar(sql)
            .fetch(&mut self.connection)
            .map_ok(|node: String| Suspect {
                problem: Problem::Cycle,
                node: Some(node),
                detail: "it lies in itself".into(),
            })
    }

    /// Where a node is, by the first of its parents: `/folder/name`, or with `?` in front if
    /// its way up does not end at the root. `None`: there is no such node.
    pub(crate) async fn path(&mut self, node: &str) -> Result<Option<String>, sqlx::Error> {
        let mut path = String::new();
        let mut id = node.to_owned();
        let mut met = Vec::new();
        while met.len() < DEEPEST && !met.contains(&id) {
            let row = sqlx::query(
                "SELECT is_root, COALESCE(name, '') AS name,
                        (SELECT e.parent FROM edges e WHERE e.child = n.id ORDER BY e.seq LIMIT 1) AS parent
                 FROM nodes n WHERE id = ?1",
            )
            .bind(&id)
            .fetch_optional(&mut self.connection)
            .await?;
            let Some(row) = row else {
                return Ok((id != node).then(|| format!("?{path}")));
            };
            if row.try_get("is_root")? {
                return Ok(Some(match path.is_empty() {
                    true => "/".into(),
                    false => path,
                }));
            }
            path = format!("/{}{path}", row.try_get::<&str, _>("name")?);
            match row.try_get("parent")? {
                Some(parent) => met.push(std::mem::replace(&mut id, parent)),
                None => break,
            }
        }
        Ok(Some(format!("?{path}")))
    }

    /// Whether the node's content is in this object now.
    pub(crate) async fn uses(&mut self, node: &str, object: &str) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM nodes WHERE id = ?1 AND object = ?2)")
            .bind(node)
            .bind(object)
            .fetch_one(&mut self.connection)
            .await
    }

    /// Whether the object is in use or waits for its deletion now.
    pub(crate) async fn knows(&mut self, object: &str) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM nodes WHERE object = ?1)
                 OR EXISTS (SELECT 1 FROM garbage WHERE object = ?1)",
        )
        .bind(object)
        .fetch_one(&mut self.connection)
        .await
    }
}

/// A connection that puts right what can be without a loss. Servers may be at work meanwhile.
pub(crate) struct Mending {
    connection: SqliteConnection,
}

impl Mending {
    pub(crate) async fn open(file: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .busy_timeout(BUSY)
            .foreign_keys(true)
            .disable_statement_logging();
        let connection = options.connect().await?;
        Ok(Self { connection })
    }

    /// Makes folders say of the node whether it is available.
    ///
    /// # Errors
    /// Another node of that name is available in the folder.
    pub(crate) async fn live_flag(&mut self, node: &str) -> Result<(), sqlx::Error> {
        sqlx::query(
            "UPDATE edges SET live = (SELECT status = 'AVAILABLE' FROM nodes WHERE id = edges.child) WHERE child = ?1",
        )
        .bind(node)
        .execute(&mut self.connection)
        .await
        .map(drop)
    }

    /// Counts the nodes of all folders anew.
    pub(crate) async fn counts(&mut self) -> Result<(), sqlx::Error> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(
            "DELETE FROM counts;
             INSERT INTO counts (folder, kind, nodes)
                 SELECT e.parent, n.kind, COUNT(*) FROM edges e JOIN nodes n ON n.id = e.child
                 WHERE e.live = 1 GROUP BY e.parent, n.kind;
             INSERT INTO counts (folder, kind, nodes)
                 SELECT '', kind, COUNT(*) FROM nodes WHERE status = 'AVAILABLE' GROUP BY kind",
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    /// Adds up anew how much there is.
    pub(crate) async fn usage(&mut self) -> Result<(), sqlx::Error> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(
            "DELETE FROM usage;
             INSERT INTO usage (category, bytes, count)
                 SELECT category, SUM(size), COUNT(*) FROM nodes WHERE object IS NOT NULL GROUP BY category",
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    /// Lets readers of the changes hear of the node.
    pub(crate) async fn change(&mut self, node: &str) -> Result<(), sqlx::Error> {
        sqlx::query("INSERT OR IGNORE INTO changes (node) VALUES (?1)")
            .bind(node)
            .execute(&mut self.connection)
            .await
            .map(drop)
    }

    /// Makes checkpoints of the drive this was copied from mean nothing here: what changes from
    /// now on is not what changes there.
    pub(crate) async fn renew_history(&mut self) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE drive SET history = randomblob(4)")
            .execute(&mut self.connection)
            .await
            .map(drop)
    }

    /// Takes what the node uses off the list of what is to be deleted.
    pub(crate) async fn keep_object(&mut self, node: &str) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM garbage WHERE object = (SELECT object FROM nodes WHERE id = ?1)")
            .bind(node)
            .execute(&mut self.connection)
            .await
            .map(drop)
    }

    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }
}

/// Folders above a node that a path is made of, at most.
const DEEPEST: usize = 256;
