//! Listings: a filter, an order and a place to go on from, made into SQL.
//!
//! Pages follow a key and never an offset, so each costs the same. A folder's nodes are
//! read off an index in the order in which they came into it.

use serde::{Deserialize, Serialize};
use sqlx::{FromRow, QueryBuilder, Row, Sqlite, SqliteConnection};

use super::{Failure, Node, Status, Store, count::count, node::COLUMNS};
use crate::{
    filter::{Filter, Match, NumberField, Range, Term, TextField},
    names,
};

/// What to list.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) scope: Scope,
    pub(crate) filter: Option<Filter>,
    pub(crate) sort: Vec<SortKey>,
    /// Nodes of one page.
    pub(crate) limit: u32,
    /// Where the page before this one ended.
    pub(crate) after: Option<Cursor>,
}

/// Among which nodes. Unless the filter asks for a status, the first two leave out what is
/// not available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Everything,
    /// Those in the folder with this id.
    Children(String),
    /// Those that were put into the trash themselves.
    Trash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SortKey {
    pub(crate) field: SortField,
    pub(crate) order: Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SortField {
    Name,
    Kind,
    Status,
    Created,
    Modified,
    Size,
    ContentType,
    ContentDate,
    Extension,
}

/// Some of what was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) nodes: Vec<Node>,
    /// The nodes of all pages, counted with the first: what a later page says it is given
    /// along. Counting anew would make a listing's cost grow with its square.
    pub(crate) count: i64,
    /// `None`: there are no more.
    pub(crate) next: Option<Cursor>,
}

/// The place behind a page's last node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// The node's values of the sort keys.
    pub(crate) keys: Vec<Key>,
    pub(crate) seq: i64,
    /// Nodes of all pages.
    pub(crate) count: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Key {
    Number(i64),
    Text(String),
}

/// How much there is of the files whose content type falls into one of the service's four
/// categories, trashed ones included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Category {
    /// `photo`, `video`, `doc` or `other`.
    pub(crate) name: String,
    pub(crate) bytes: i64,
    pub(crate) count: i64,
}

impl SortField {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "name" => Self::Name,
            "kind" => Self::Kind,
            "status" => Self::Status,
            "createdDate" => Self::Created,
            "modifiedDate" => Self::Modified,
            "contentProperties.size" => Self::Size,
            "contentProperties.contentType" => Self::ContentType,
            "contentProperties.contentDate" => Self::ContentDate,
            "contentProperties.extension" => Self::Extension,
            _ => return None,
        })
    }

    /// Never NULL, which compares with nothing. In a folder, names are in order as they are
    /// compared there, in lower case: that is the order of an index.
    fn sql(self, query: &Query) -> &'static str {
        match self {
            Self::Name if folder(query).is_some() => "e.folded",
            Self::Name => "COALESCE(n.name, '')",
            Self::Kind => "n.kind",
            Self::Status => "n.status",
            Self::Created => "n.created",
            Self::Modified => "n.modified",
            Self::Size => "COALESCE(n.size, -1)",
            Self::ContentDate => "COALESCE(n.content_date, -99999999999999999)",
            Self::ContentType => "COALESCE(n.content_type, '')",
            Self::Extension => "COALESCE(n.extension, '')",
        }
    }

    const fn is_number(self) -> bool {
        matches!(
            self,
            Self::Created | Self::Modified | Self::Size | Self::ContentDate
        )
    }
}

impl Order {
    const fn sql(self) -> &'static str {
        match self {
            Self::Ascending => "ASC",
            Self::Descending => "DESC",
        }
    }

    const fn beyond(self) -> &'static str {
        match self {
            Self::Ascending => ">",
            Self::Descending => "<",
        }
    }
}

impl Cursor {
    /// Whether it can be one of a listing in this order: it comes from outside.
    pub(crate) fn fits(&self, sort: &[SortKey]) -> bool {
        self.keys.len() == sort.len()
            && self
                .keys
                .iter()
                .zip(sort)
                .all(|(key, sort)| matches!(key, Key::Number(_)) == sort.field.is_number())
    }
}

impl Store {
    pub(crate) async fn list(&self, query: &Query) -> Result<Page, Failure> {
        if let Some(cursor) = &query.after {
            let mut connection = self.readers.acquire().await?;
            return Ok(page(&mut connection, query, cursor.count).await?);
        }
        // One snapshot for the count and the first page.
        let mut transaction = self.readers.begin().await?;
        let count = count(&mut transaction, query).await?;
        let page = page(&mut transaction, query, count).await?;
        transaction.commit().await?;
        Ok(page)
    }

    /// What is stored; categories without a file are missing.
    pub(crate) async fn usage(&self) -> Result<Vec<Category>, Failure> {
        let query = sqlx::query_as("SELECT category, bytes, count FROM usage WHERE count > 0");
        let rows: Vec<(String, i64, i64)> = query.fetch_all(&self.readers).await?;
        let categories =
            rows.into_iter()
                .map(|(name, bytes, count)| Category { name, bytes, count });
        Ok(categories.collect())
    }
}

async fn page(
    connection: &mut SqliteConnection,
    query: &Query,
    count: i64,
) -> Result<Page, sqlx::Error> {
    let mut rows = page_sql(query).build().fetch_all(connection).await?;
    let limit = query.limit as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = match rows.last() {
        Some(last) if more => Some(Cursor {
            keys: keys(last, &query.sort)?,
            seq: last.try_get("cursor")?,
            count,
        }),
        _ => None,
    };
    let nodes = rows.iter().map(Node::from_row).collect::<Result<_, _>>()?;
    Ok(Page { nodes, count, next })
}

fn page_sql(query: &Query) -> QueryBuilder<Sqlite> {
    let seq = seq(query);
    let mut sql = QueryBuilder::new(format!("SELECT {COLUMNS}, {seq} AS cursor"));
    for (index, key) in query.sort.iter().enumerate() {
        sql.push(format_args!(", {} AS key{index}", key.field.sql(query)));
    }
    push_source(&mut sql, query);
    if let Some(cursor) = &query.after {
        push_after(&mut sql, query, cursor, seq);
    }
    sql.push(" ORDER BY ");
    for key in &query.sort {
        let (field, order) = (key.field.sql(query), key.order.sql());
        sql.push(format_args!("{field} {order}, "));
    }
    sql.push(format_args!("{seq} LIMIT "));
    // One more, to know whether there is one.
    sql.push_bind(i64::from(query.limit) + 1);
    sql
}

fn keys(row: &sqlx::sqlite::SqliteRow, sort: &[SortKey]) -> Result<Vec<Key>, sqlx::Error> {
    let keys = sort.iter().enumerate().map(|(index, key)| {
        let column = format!("key{index}");
        match key.field.is_number() {
            true => row.try_get(column.as_str()).map(Key::Number),
            false => row.try_get(column.as_str()).map(Key::Text),
        }
    });
    keys.collect()
}

/// The folder whose index the listing follows, if there is one that holds all matches.
pub(super) fn folder(query: &Query) -> Option<&str> {
    match (&query.scope, &query.filter) {
        (Scope::Children(id), _) => Some(id),
        (Scope::Everything, Some(filter)) => {
            filter.required().into_iter().find_map(|term| match term {
                Term::Parent(id) => Some(id.as_str()),
                _ => None,
            })
        }
        _ => None,
    }
}

fn seq(query: &Query) -> &'static str {
    match folder(query) {
        Some(_) => "e.seq",
        None => "n.seq",
    }
}

/// `FROM` and `WHERE`.
pub(super) fn push_source(sql: &mut QueryBuilder<Sqlite>, query: &Query) {
    let any_status =
        query.scope == Scope::Trash || query.filter.as_ref().is_some_and(Filter::mentions_status);
    match folder(query) {
        Some(folder) => {
            sql.push(" FROM edges e JOIN nodes n ON n.id = e.child WHERE e.parent = ");
            sql.push_bind(folder.to_owned());
            // Said of the edge, what is asked of the node can be read off its index.
            match query.filter.as_ref().and_then(Filter::required_status) {
                None if any_status => {}
                None | Some(Status::Available) => drop(sql.push(" AND e.live = 1")),
                Some(_) => drop(sql.push(" AND e.live = 0")),
            }
            // Equal names are equal in lower case as well, and for that there is an index.
            let required = query.filter.iter().flat_map(Filter::required);
            for term in required {
                if let Term::Text(TextField::Name, Match::Is(name)) = term {
                    sql.push(" AND e.folded = ");
                    sql.push_bind(names::fold(name));
                }
            }
        }
        None => {
            sql.push(" FROM nodes n WHERE ");
            sql.push(match (&query.scope, any_status) {
                (Scope::Trash, _) => "n.exclusively_trashed = 1",
                (_, false) => "n.status = 'AVAILABLE'",
                (_, true) => "TRUE",
            });
        }
    }
    if let Some(filter) = &query.filter {
        sql.push(" AND ");
        push_filter(sql, filter);
    }
}

fn push_filter(sql: &mut QueryBuilder<Sqlite>, filter: &Filter) {
    let (parts, between) = match filter {
        Filter::Term(term) => return push_term(sql, term),
        Filter::All(parts) => (parts, " AND "),
        Filter::Any(parts) => (parts, " OR "),
    };
    sql.push("(");
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            sql.push(between);
        }
        push_filter(sql, part);
    }
    sql.push(")");
}

fn push_term(sql: &mut QueryBuilder<Sqlite>, term: &Term) {
    match term {
        Term::IsRoot => {
            sql.push("n.is_root = 1");
        }
        Term::Kind(kind) => {
            sql.push("n.kind = ").push_bind(kind.as_str());
        }
        Term::Status(status) => {
            sql.push("n.status = ").push_bind(status.as_str());
        }
        Term::Parent(id) => {
            sql.push("EXISTS (SELECT 1 FROM edges x WHERE x.child = n.id AND x.parent = ")
                .push_bind(id.clone())
                .push(")");
        }
        Term::Text(TextField::Label, matching) => {
            sql.push("EXISTS (SELECT 1 FROM json_each(n.labels) l WHERE ");
            push_match(sql, "l.value", matching);
            sql.push(")");
        }
        Term::Text(field, matching) => push_match(sql, column(*field), matching),
        Term::Number(field, Range { low, high }) => {
            let column = match field {
                NumberField::Size => "n.size",
                NumberField::ContentDate => "n.content_date",
                NumberField::Created => "n.created",
                NumberField::Modified => "n.modified",
            };
            sql.push(format_args!("{column} BETWEEN "))
                .push_bind(*low)
                .push(" AND ")
                .push_bind(*high);
        }
    }
}

const fn column(field: TextField) -> &'static str {
    match field {
        TextField::Name => "n.name",
        TextField::Description => "n.description",
        TextField::CreatedBy => "n.created_by",
        TextField::Md5 => "n.md5",
        TextField::ContentType => "n.content_type",
        TextField::Extension => "n.extension",
        TextField::Label => "l.value",
    }
}

fn push_match(sql: &mut QueryBuilder<Sqlite>, column: &str, matching: &Match) {
    match matching {
        Match::Is(text) => {
            sql.push(format_args!("{column} = "))
                .push_bind(text.clone());
        }
        // Not LIKE, which would take some letters of the prefix for patterns and ignore case.
        Match::StartsWith(prefix) => {
            let length = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
            sql.push(format_args!("substr({column}, 1, "))
                .push_bind(length);
            sql.push(") = ").push_bind(prefix.clone());
        }
    }
}

/// The nodes behind the cursor: beyond its first key, or at it and beyond the second, and
/// so on.
fn push_after(sql: &mut QueryBuilder<Sqlite>, query: &Query, cursor: &Cursor, seq: &str) {
    sql.push(" AND ");
    // Implied by what follows, and all that an index can be entered by.
    if let (Some(sort), Some(key)) = (query.sort.first(), cursor.keys.first()) {
        let field = sort.field.sql(query);
        sql.push(format_args!("{field} {}= ", sort.order.beyond()));
        push_key(sql, key);
        sql.push(" AND ");
    }
    for (sort, key) in query.sort.iter().zip(&cursor.keys) {
        let field = sort.field.sql(query);
        sql.push(format_args!("({field} {} ", sort.order.beyond()));
        push_key(sql, key);
        sql.push(format_args!(" OR {field} = "));
        push_key(sql, key);
        sql.push(" AND ");
    }
    sql.push(format_args!("{seq} > ")).push_bind(cursor.seq);
    sql.push(")".repeat(query.sort.len()));
}

fn push_key(sql: &mut QueryBuilder<Sqlite>, key: &Key) {
    match key {
        Key::Number(number) => sql.push_bind(*number),
        Key::Text(text) => sql.push_bind(text.clone()),
    };
}

#[cfg(test)]
mod plans;
