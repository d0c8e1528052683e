//! What to do with a folder's two sides.
//!
//! Pure decisions about names, sizes and MD5s; listing, comparing content and acting are
//! the caller's.

use std::borrow::Cow;

use keys::match_key;

mod clash;
mod decompose;
mod keys;

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
    /// Ignoring case and how letters are composed, as the service may do.
    IgnoreCase,
}

/// What becomes of a name that the destination cannot hold beside another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clashes {
    /// It is an error.
    Fail,
    /// It is left out.
    Skip,
    /// It goes under another name, made of its own.
    Rename,
}

/// What a run is allowed and asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How the destination tells names apart.
    pub destination_names: NameRule,
    /// Whether items only the destination has are to be removed.
    pub remove_extra: bool,
    /// What becomes of names that clash.
    pub clashes: Clashes,
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
    /// goes first (`A.txt` and `a.txt`). Do nothing; it is an error.
    NameClash,
    /// The same, and no error: that was asked for. Do nothing, and say so.
    LeaveOut,
    /// The source's content is not there yet (an upload to it has not ended).
    NotReady,
}

/// One decision. Items are given by their index in the lists that [`plan`] got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// The source's item; `None` for `Remove` and `Keep`.
    pub source: Option<u32>,
    /// The destination's item; `None` where it has none, for `NameClash` and `LeaveOut`.
    pub destination: Option<u32>,
    /// Of a name that clashes: the source's item that goes first.
    pub winner: Option<u32>,
    /// The raw name it has or gets at the destination instead of its own.
    pub new_name: Option<Vec<u8>>,
}

/// What decides whether two names are the same under a rule: equal keys, same name. In
/// the order given.
///
/// Under [`NameRule::IgnoreCase`] the key is the name in Unicode's canonical decomposition
/// with each character replaced by its lower case, one by one and without regard to
/// language or to its place in a word, and with bytes that are not UTF-8 as they are.
///
/// With [`Clashes::Rename`] names of equal keys are those that one [`plan`] must see
/// together: a name that was made of another one has the key of that, and long keys are
/// cut.
pub fn match_keys(names: &[Vec<u8>], rule: NameRule, clashes: Clashes) -> Vec<Vec<u8>> {
    let key = |name: &Vec<u8>| {
        if clashes == Clashes::Rename && rule == NameRule::IgnoreCase {
            keys::slice_key(name)
        } else {
            match_key(name, rule).into_owned()
        }
    };
    names.iter().map(key).collect()
}

/// Decides about the items of one folder (or of one slice of it by [`match_keys`]).
///
/// Each item is in exactly one decision; a matched pair shares one. Source items whose
/// very names the destination has are matched with those; so what it holds beside each
/// other does not clash. Else, of several source items with one key, the first by bytes
/// goes first, with the first destination item of that key. Other destination items of the
/// key are kept, for removing one could remove its twin. Decisions come in the order of
/// the source's items, then the destination's.
///
/// A name that clashes may go under a new name: made of its own alone, and another one
/// only where the source has that already; so it is the same in the next run. What the
/// destination has of the new name is matched with it. A name that the source shows twice
/// is not renamed: its two items would change places from run to run.
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
    let mut made = Vec::new();

    for group in sources.chunk_by(|a, b| a.key == b.key) {
        let twins = with_key(&destinations, &group[0].key);
        let mut pairs = namesakes(group, twins);
        if pairs.is_empty() {
            pairs.push((0, twins.first()));
        }
        let winner = group[pairs[0].0].index;
        for twin in twins {
            extras[twin.index] = Some(Action::Keep);
        }
        let mut pairs = pairs.into_iter().peekable();
        for (at, entry) in group.iter().enumerate() {
            let item = &source[entry.index];
            let mut decision = Decision {
                action: Action::NameClash,
                source: Some(wire_index(entry.index)),
                destination: None,
                winner: None,
                new_name: None,
            };
            let mut partner = None;
            let twice = at > 0 && group[at - 1].name == entry.name;
            if let Some((_, found)) = pairs.next_if(|(paired, _)| *paired == at) {
                partner = found;
                decision.action = action(item, found.map(|it| &destination[it.index]));
            } else {
                decision.winner = Some(wire_index(winner));
                match options.clashes {
                    Clashes::Skip => decision.action = Action::LeaveOut,
                    Clashes::Rename if !twice => {
                        let (name, key) = new_name(item, &sources, &mut made, rule);
                        let there = with_key(&destinations, &key);
                        for twin in there {
                            extras[twin.index] = Some(Action::Keep);
                        }
                        let same = there.iter().find(|it| it.name == name);
                        partner = same.or(there.first());
                        decision.action = action(item, partner.map(|it| &destination[it.index]));
                        decision.new_name = Some(name);
                    }
                    Clashes::Fail | Clashes::Rename => {}
                }
            }
            if let Some(partner) = partner {
                extras[partner.index] = None;
                decision.destination = Some(wire_index(partner.index));
            }
            decisions[entry.index] = Some(decision);
        }
    }

    let extras = extras.into_iter().enumerate().filter_map(|(index, extra)| {
        Some(Decision {
            action: extra?,
            source: None,
            destination: Some(wire_index(index)),
            winner: None,
            new_name: None,
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

/// The entries of one key.
fn with_key<'a>(entries: &'a [Entry<'a>], key: &[u8]) -> &'a [Entry<'a>] {
    let from = entries.partition_point(|entry| *entry.key < *key);
    let entries = &entries[from..];
    &entries[..entries.partition_point(|entry| *entry.key == *key)]
}

/// Where in `group` an entry's very name is among the `twins`, with that. Both are of one
/// key and sorted.
fn namesakes<'a>(
    group: &[Entry<'_>],
    twins: &'a [Entry<'a>],
) -> Vec<(usize, Option<&'a Entry<'a>>)> {
    let mut pairs = Vec::new();
    for (at, entry) in group.iter().enumerate() {
        let first = twins.partition_point(|twin| twin.name < entry.name);
        let twin = twins.get(first).filter(|twin| twin.name == entry.name);
        if twin.is_some() && (at == 0 || group[at - 1].name != entry.name) {
            pairs.push((at, twin));
        }
    }
    pairs
}

/// A name for what clashes, and its key, which is none of the source's and not `made` yet.
fn new_name(
    item: &Item,
    sources: &[Entry<'_>],
    made: &mut Vec<Vec<u8>>,
    rule: NameRule,
) -> (Vec<u8>, Vec<u8>) {
    let mut attempt = 0;
    loop {
        let name = clash::made_name(&item.name, attempt);
        let key = match_key(&name, rule).into_owned();
        attempt += 1;
        if !with_key(sources, &key).is_empty() {
            continue;
        }
        if let Err(at) = made.binary_search(&key) {
            made.insert(at, key.clone());
            return (name, key);
        }
    }
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

/// An index as the contract has it.
fn wire_index(index: usize) -> u32 {
    u32::try_from(index).expect("a side has at most u32::MAX items")
}

#[cfg(test)]
mod tests;
