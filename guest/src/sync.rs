//! What to do with a folder's two sides.
//!
//! Pure decisions about names, sizes and MD5s; listing, comparing content and acting are
//! the caller's.

use std::borrow::Cow;

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes under a name.
    File,
    /// A folder.
    Folder,
}

/// One name on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The raw name.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Size in bytes; `None` for folders and for content that is not there yet.
    pub size: Option<u64>,
    /// Hexadecimal MD5, where already known.
    pub md5: Option<String>,
}

/// How names are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameRule {
    /// By bytes, as on most local file systems.
    Exact,
    /// Ignoring case, as the service does.
    IgnoreCase,
}

/// What a run is allowed and asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How the destination tells names apart.
    pub destination_names: NameRule,
    /// Whether items only the destination has are to be removed.
    pub remove_extra: bool,
}

/// What to do with one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing: known to be the same.
    Skip,
    /// Same size, and an MD5 is missing: find out both, then ask [`same_content`].
    Compare,
    /// Send: the destination has no such file.
    Create,
    /// Send over the destination's file, which differs.
    Overwrite,
    /// Make the folder, then go into it.
    MakeFolder,
    /// Go into the folder both sides have.
    Descend,
    /// Only the destination has it, and `remove_extra` was asked.
    Remove,
    /// Only the destination has it, and it stays.
    Keep,
    /// A file on one side, a folder on the other. Do nothing, and say so.
    KindConflict,
    /// The destination cannot hold this name beside another one of the source, which
    /// goes first (`A.txt` and `a.txt`). Do nothing, and say so.
    NameClash,
    /// The source's content is not there yet (an upload to it has not ended).
    NotReady,
}

/// One decision. Items are given by their index in the lists that [`plan`] got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// The source's item; `None` for `Remove` and `Keep`.
    pub source: Option<u32>,
    /// The destination's item; `None` where it has none, and for `NameClash`.
    pub destination: Option<u32>,
    /// For `NameClash`: the source's item that goes first.
    pub winner: Option<u32>,
}

/// What decides whether two names are the same under a rule: equal keys, same name. In
/// the order given.
///
/// Under [`NameRule::IgnoreCase`] the key is the name with each character replaced by its
/// Unicode lower case, one by one and without regard to language or to its place in a
/// word, and with bytes that are not UTF-8 as they are. Nothing is normalised: `é` in one
/// character and in two are different names.
pub fn match_keys(names: &[Vec<u8>], rule: NameRule) -> Vec<Vec<u8>> {
    let key = |name: &Vec<u8>| match_key(name, rule).into_owned();
    names.iter().map(key).collect()
}

/// Decides about the items of one folder (or of one slice of it by key).
///
/// Each item is in exactly one decision; a matched pair shares one. Of several source
/// items with one key, the one whose name equals the destination's byte for byte goes
/// first, else the first by bytes; of several destination items likewise, and the others
/// are kept, for removing one could remove its twin. Decisions come in the order of the
/// source's items, then the destination's.
///
/// The caller must not act on [`Action::Remove`] unless both listings were complete.
///
/// # Panics
///
/// Where a side has more than `u32::MAX` items.
pub fn plan(source: &[Item], destination: &[Item], options: Options) -> Vec<Decision> {
    let rule = options.destination_names;
    let sources = by_key(source, rule);
    let destinations = by_key(destination, rule);

    let mut decisions = vec![None; source.len()];
    let extra = if options.remove_extra {
        Action::Remove
    } else {
        Action::Keep
    };
    let mut extras = vec![Some(extra); destination.len()];

    let mut below = destinations.as_slice();
    for group in sources.chunk_by(|a, b| a.key == b.key) {
        let key = &group[0].key;
        below = &below[below.partition_point(|entry| entry.key < *key)..];
        let twins = &below[..below.partition_point(|entry| entry.key == *key)];

        let (winner, partner) = pair(group, twins);
        for entry in group {
            decisions[entry.index] = Some(Decision {
                action: Action::NameClash,
                source: Some(wire_index(entry.index)),
                destination: None,
                winner: Some(wire_index(winner.index)),
            });
        }
        let found = partner.map(|partner| &destination[partner.index]);
        decisions[winner.index] = Some(Decision {
            action: action(&source[winner.index], found),
            source: Some(wire_index(winner.index)),
            destination: partner.map(|partner| wire_index(partner.index)),
            winner: None,
        });
        for twin in twins {
            extras[twin.index] = Some(Action::Keep);
        }
        if let Some(partner) = partner {
            extras[partner.index] = None;
        }
    }

    let extras = extras.into_iter().enumerate().filter_map(|(index, extra)| {
        Some(Decision {
            action: extra?,
            source: None,
            destination: Some(wire_index(index)),
            winner: None,
        })
    });
    decisions.into_iter().flatten().chain(extras).collect()
}

/// Whether two files hold the same bytes: equal size and equal MD5, compared without
/// regard to the case of the digits. False when either size or MD5 is missing.
pub fn same_content(a: &Item, b: &Item) -> bool {
    let same_md5 = match (&a.md5, &b.md5) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    };
    a.size.is_some() && a.size == b.size && same_md5
}

/// An item in the order of keys, then of names, then of the list.
struct Entry<'a> {
    key: Cow<'a, [u8]>,
    name: &'a [u8],
    index: usize,
}

fn by_key(items: &[Item], rule: NameRule) -> Vec<Entry<'_>> {
    let mut entries: Vec<_> = items
        .iter()
        .enumerate()
        .map(|(index, item)| Entry {
            key: match_key(&item.name, rule),
            name: &item.name,
            index,
        })
        .collect();
    entries.sort_unstable_by(|a, b| (&a.key, a.name, a.index).cmp(&(&b.key, b.name, b.index)));
    entries
}

/// Who goes first of the source's `group`, and with which of the destination's `twins`.
/// Both are of one key and sorted; `group` is not empty.
fn pair<'a>(
    group: &'a [Entry<'a>],
    twins: &'a [Entry<'a>],
) -> (&'a Entry<'a>, Option<&'a Entry<'a>>) {
    let namesake = |entry: &Entry<'_>| {
        let first = twins.partition_point(|twin| twin.name < entry.name);
        twins.get(first).filter(|twin| twin.name == entry.name)
    };
    group
        .iter()
        .find_map(|entry| Some((entry, Some(namesake(entry)?))))
        .unwrap_or((&group[0], twins.first()))
}

fn action(source: &Item, destination: Option<&Item>) -> Action {
    let Some(destination) = destination else {
        return match (source.kind, source.size) {
            (Kind::Folder, _) => Action::MakeFolder,
            (Kind::File, Some(_)) => Action::Create,
            (Kind::File, None) => Action::NotReady,
        };
    };
    match (source.kind, destination.kind) {
        (Kind::Folder, Kind::Folder) => Action::Descend,
        (Kind::File, Kind::File) => match (source.size, destination.size) {
            (None, _) => Action::NotReady,
            (Some(a), Some(b)) if a == b => same_size_action(source, destination),
            (Some(_), _) => Action::Overwrite,
        },
        (Kind::File, Kind::Folder) | (Kind::Folder, Kind::File) => Action::KindConflict,
    }
}

fn same_size_action(source: &Item, destination: &Item) -> Action {
    if same_content(source, destination) {
        Action::Skip
    } else if source.md5.is_none() || destination.md5.is_none() {
        Action::Compare
    } else {
        Action::Overwrite
    }
}

fn match_key(name: &[u8], rule: NameRule) -> Cow<'_, [u8]> {
    match rule {
        NameRule::Exact => Cow::Borrowed(name),
        NameRule::IgnoreCase => lower_case(name),
    }
}

fn lower_case(name: &[u8]) -> Cow<'_, [u8]> {
    if name.is_ascii() {
        return if name.iter().any(u8::is_ascii_uppercase) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        };
    }
    let mut key = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        // Not `str::to_lowercase`: its `Σ` depends on the place in a word.
        for lower in chunk.valid().chars().flat_map(char::to_lowercase) {
            key.extend_from_slice(lower.encode_utf8(&mut [0; 4]).as_bytes());
        }
        key.extend_from_slice(chunk.invalid());
    }
    Cow::Owned(key)
}

/// An index as the contract has it.
fn wire_index(index: usize) -> u32 {
    u32::try_from(index).expect("a side has at most u32::MAX items")
}

#[cfg(test)]
mod tests;
