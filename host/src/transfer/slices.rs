//! A folder's two sides, cut into pieces small enough to plan in one call.

use std::{borrow::Cow, cmp::Ordering, vec};

use super::{
    Error, Run,
    side::{Entry, Spot},
};
use crate::component::NameRule;

/// What is left to plan of one folder. Names that are the same to the destination, or may
/// become so, are never in different slices.
#[derive(Debug)]
pub(super) struct Slices {
    source: vec::IntoIter<Entry>,
    destination: vec::IntoIter<Entry>,
    /// How many of each make the next slices.
    cuts: vec::IntoIter<(usize, usize)>,
}

impl Slices {
    /// Sorts what `folder` holds on both sides and finds where to cut.
    pub(super) async fn new(
        run: &Run,
        folder: &Spot,
        mut source: Vec<Entry>,
        mut destination: Vec<Entry>,
    ) -> Result<Self, Error> {
        source.sort_unstable_by(|a, b| by_own_name(run, a, b));
        destination.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let cuts = if source.len() + destination.len() <= SLICE {
            vec![(source.len(), destination.len())]
        } else {
            match run.destination.rule() {
                // By bytes: the names are their own keys.
                NameRule::Exact => {
                    let own: Vec<_> = source.iter().map(|it| own_name(run, it)).collect();
                    cuts(&own, &keys_of(&destination))
                }
                NameRule::IgnoreCase => {
                    let source_keys = sort_by_key(run, folder, &mut source).await?;
                    let destination_keys = sort_by_key(run, folder, &mut destination).await?;
                    cuts(&source_keys, &destination_keys)
                }
            }
        };
        Ok(Self {
            source: source.into_iter(),
            destination: destination.into_iter(),
            cuts: cuts.into_iter(),
        })
    }

    /// One name of the source, and what the destination has of that name.
    pub(super) fn single(source: Entry, destination: Option<Entry>) -> Self {
        let cuts = vec![(1, usize::from(destination.is_some()))];
        Self {
            source: vec![source].into_iter(),
            destination: Vec::from_iter(destination).into_iter(),
            cuts: cuts.into_iter(),
        }
    }

    /// The next slice: entries of the source and of the destination.
    pub(super) fn cut(&mut self) -> Option<(Vec<Entry>, Vec<Entry>)> {
        let (source, destination) = self.cuts.next()?;
        Some((
            self.source.by_ref().take(source).collect(),
            self.destination.by_ref().take(destination).collect(),
        ))
    }

    /// Whether there is no further slice.
    pub(super) fn is_empty(&self) -> bool {
        self.cuts.len() == 0
    }
}

/// The source's order. Of two names that are one at the destination, the one that is
/// spelled so comes first.
fn by_own_name(run: &Run, a: &Entry, b: &Entry) -> Ordering {
    let (own_a, own_b) = (own_name(run, a), own_name(run, b));
    let spelled = |own: &[u8], entry: &Entry| *own == *entry.name;
    own_a
        .cmp(&own_b)
        .then_with(|| spelled(&own_b, b).cmp(&spelled(&own_a, a)))
        .then_with(|| a.name.cmp(&b.name))
}

fn own_name<'a>(run: &Run, entry: &'a Entry) -> Cow<'a, [u8]> {
    run.destination.own_name(&entry.name)
}

fn keys_of(entries: &[Entry]) -> Vec<&[u8]> {
    entries.iter().map(|entry| &*entry.name).collect()
}

/// Sorts by the keys the component gives, and returns those in the same order.
async fn sort_by_key(
    run: &Run,
    folder: &Spot,
    entries: &mut Vec<Entry>,
) -> Result<Vec<Vec<u8>>, Error> {
    let mut keys = Vec::with_capacity(entries.len());
    for chunk in entries.chunks(SLICE) {
        let names = || chunk.iter().map(|entry| entry.name.to_vec()).collect();
        let of_chunk = run
            .decide(folder, || {
                let clashes = run.options.clashes;
                run.decider
                    .match_keys(names(), NameRule::IgnoreCase, clashes)
            })
            .await?;
        if of_chunk.len() != chunk.len() {
            return Err(Error::BadPlan {
                path: folder.label.clone(),
            });
        }
        keys.extend(of_chunk);
    }
    let mut keyed: Vec<_> = keys.into_iter().zip(std::mem::take(entries)).collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    let (keys, sorted) = keyed.into_iter().unzip();
    *entries = sorted;
    Ok(keys)
}

/// How many of each side's sorted keys make each slice: about [`SLICE`] together, and
/// equal keys in one.
fn cuts<A: AsRef<[u8]>, B: AsRef<[u8]>>(source: &[A], destination: &[B]) -> Vec<(usize, usize)> {
    let mut cuts = Vec::new();
    let (mut from, mut at) = ((0, 0), (0, 0));
    loop {
        let next = match (source.get(at.0), destination.get(at.1)) {
            (Some(a), Some(b)) => a.as_ref().min(b.as_ref()),
            (Some(a), None) => a.as_ref(),
            (None, Some(b)) => b.as_ref(),
            (None, None) => break,
        };
        if at.0 - from.0 + at.1 - from.1 >= SLICE {
            cuts.push((at.0 - from.0, at.1 - from.1));
            from = at;
        }
        at.0 += run_of(&source[at.0..], next);
        at.1 += run_of(&destination[at.1..], next);
    }
    cuts.push((at.0 - from.0, at.1 - from.1));
    cuts
}

/// How many keys at the start are `key`.
fn run_of<K: AsRef<[u8]>>(keys: &[K], key: &[u8]) -> usize {
    keys.iter().take_while(|it| it.as_ref() == key).count()
}

/// Names per slice, both sides together. A plan of that many takes the component about a
/// millisecond and 1 MiB; other calls wait that long at most.
pub(super) const SLICE: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|number| format!("{number:08}")).collect()
    }

    #[test]
    fn slices_cover_all_and_keep_equal_keys_together() {
        let cases = [
            (numbers(0..0), numbers(0..0)),
            (numbers(0..SLICE), numbers(0..SLICE)),
            (numbers(0..3 * SLICE), numbers(SLICE..SLICE + 7)),
            (numbers(0..5), numbers(0..4 * SLICE)),
            (vec!["same".to_owned(); 3 * SLICE], numbers(0..9)),
        ];
        for (source, destination) in cases {
            let cuts = cuts(&source, &destination);
            let (mut a, mut b) = (0, 0);
            for &(from_source, from_destination) in &cuts {
                let (next_a, next_b) = (a + from_source, b + from_destination);
                let ends = [source[a..next_a].last(), destination[b..next_b].last()];
                let starts = [source.get(next_a), destination.get(next_b)];
                for end in ends.into_iter().flatten() {
                    assert!(starts.iter().flatten().all(|start| *start > end));
                }
                (a, b) = (next_a, next_b);
            }
            assert_eq!((a, b), (source.len(), destination.len()));
            let most = (source.len() + destination.len()) / SLICE + 1;
            assert!(cuts.len() <= most, "{}", cuts.len());
        }
    }
}
