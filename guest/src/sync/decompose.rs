//! Unicode's canonical decomposition, from a table of 10 KB: the libraries that have it
//! bring 40 KB and more for it, which is a tenth of the component. A test makes the table
//! from one of them.
//!
//! The table's numbers are big-endian. It begins with how many there are of each of its
//! four parts, in two bytes each:
//! - runs of characters that follow each other and are decomposed: the first one, in three
//!   bytes, and how many decompositions come before its own, in two
//! - decompositions, in three bytes: the number of the second character in the highest
//!   seven bits, and the first one in the others. The highest number is for no second
//!   character and a first one of plane 2.
//! - second characters, in three bytes
//! - runs of characters of one combining class: the first one, in three bytes, how many
//!   they are, in one, and the class, in one

/// Hands on the full canonical decomposition of a character, in canonical order but for
/// what a decomposition before or after brings: itself, where it has none.
pub(super) fn decompose(c: char, take: &mut dyn FnMut(char)) {
    if let Some(syllable) = u32::from(c)
        .checked_sub(HANGUL)
        .filter(|it| *it < SYLLABLES)
    {
        // Made by a rule and not by the table.
        let (lead, vowel, tail) = (syllable / 588, syllable % 588 / 28, syllable % 28);
        take(character(0x1100 + lead));
        take(character(0x1161 + vowel));
        if tail > 0 {
            take(character(0x11a7 + tail));
        }
        return;
    }
    let Some((first, second)) = step(c) else {
        return take(c);
    };
    decompose(first, take);
    if let Some(second) = second {
        take(second);
    }
}

/// The canonical combining class of a character: 0 for one that others combine with.
pub(super) fn combining_class(c: char) -> u8 {
    let c = u32::from(c);
    let part = Part::CLASSES;
    match part.last_not_after(c) {
        Some(run) if c - part.number(run, 0, 3) < part.number(run, 3, 1) => {
            part.number(run, 4, 1) as u8
        }
        _ => 0,
    }
}

/// One step of a decomposition, which ends with a character that has none itself.
fn step(c: char) -> Option<(char, Option<char>)> {
    let c = u32::from(c);
    let runs = Part::RUNS;
    let run = runs.last_not_after(c)?;
    let before = runs.number(run, 3, 2);
    let end = match run + 1 < runs.count() {
        true => runs.number(run + 1, 3, 2),
        false => Part::STEPS.count(),
    };
    let place = before + (c - runs.number(run, 0, 3));
    if place >= end {
        return None;
    }
    let step = Part::STEPS.number(place, 0, 3);
    let (second, first) = (step >> 17, step & 0x1_ffff);
    Some(if second == PLANE_2 {
        (character(0x2_0000 | first), None)
    } else if second == NONE {
        (character(first), None)
    } else {
        let second = Part::SECONDS.number(second, 0, 3);
        (character(first), Some(character(second)))
    })
}

/// A part of the table.
#[derive(Clone, Copy)]
struct Part {
    /// Which one.
    index: usize,
    /// Bytes of each of its entries.
    width: usize,
}

impl Part {
    const RUNS: Self = Self { index: 0, width: 5 };
    const STEPS: Self = Self { index: 1, width: 3 };
    const SECONDS: Self = Self { index: 2, width: 3 };
    const CLASSES: Self = Self { index: 3, width: 5 };
    const ALL: [Self; 4] = [Self::RUNS, Self::STEPS, Self::SECONDS, Self::CLASSES];

    fn count(self) -> u32 {
        big_endian(2 * self.index, 2)
    }

    /// A number in an entry: `bytes` from `offset` on.
    fn number(self, entry: u32, offset: usize, bytes: usize) -> u32 {
        let before = Self::ALL[..self.index].iter();
        let before: usize = before.map(|it| it.count() as usize * it.width).sum();
        let entry = entry as usize * self.width;
        big_endian(2 * Self::ALL.len() + before + entry + offset, bytes)
    }

    /// The last of the entries that do not begin after `c`.
    fn last_not_after(self, c: u32) -> Option<u32> {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = (low + high) / 2;
            if self.number(middle, 0, 3) <= c {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1)
    }
}

fn big_endian(at: usize, bytes: usize) -> u32 {
    let bytes = TABLE[at..at + bytes].iter();
    bytes.fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// The table has nothing but characters.
fn character(number: u32) -> char {
    char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
}

static TABLE: &[u8] = include_bytes!("decompositions.bin");

/// The first Hangul syllable, and how many there are.
const HANGUL: u32 = 0xac00;
const SYLLABLES: u32 = 11_172;

/// The numbers of no second character.
const NONE: u32 = 0x7e;
const PLANE_2: u32 = 0x7f;

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, fs, path::Path};

    use unicode_normalization::char::{canonical_combining_class, decompose_canonical};

    use super::*;

    fn of_library(c: char) -> Vec<char> {
        let mut parts = Vec::new();
        decompose_canonical(c, |part| parts.push(part));
        parts
    }

    fn all() -> impl Iterator<Item = char> {
        '\0'..=char::MAX
    }

    /// The table, made of the library.
    fn table() -> Vec<u8> {
        let is_hangul = |c: &char| (HANGUL..HANGUL + SYLLABLES).contains(&u32::from(*c));
        let composed: Vec<_> = all()
            .filter(|c| !is_hangul(c))
            .map(|c| (c, of_library(c)))
            .filter(|(c, parts)| *parts != [*c])
            .collect();
        let whole: HashMap<&[char], char> = composed
            .iter()
            .filter(|(_, parts)| parts.len() > 1)
            .map(|(c, parts)| (parts.as_slice(), *c))
            .collect();
        let (mut runs, mut steps, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
        let mut last = None;
        for (c, parts) in &composed {
            if last.and_then(|last: char| char::from_u32(u32::from(last) + 1)) != Some(*c) {
                runs.push((u32::from(*c), steps.len() as u32));
            }
            last = Some(*c);
            let (second, front) = parts.split_last().unwrap();
            let step = match front {
                [] if u32::from(*second) >> 16 == 2 => PLANE_2 << 17 | u32::from(*second) & 0xffff,
                [] => NONE << 17 | u32::from(*second),
                _ => {
                    let first = match front {
                        [first] => *first,
                        front => whole[front],
                    };
                    let known = seconds.iter().position(|it| it == second);
                    let number = known.unwrap_or_else(|| {
                        seconds.push(*second);
                        seconds.len() - 1
                    });
                    assert!((number as u32) < NONE && u32::from(first) < 0x2_0000);
                    (number as u32) << 17 | u32::from(first)
                }
            };
            steps.push(step);
        }
        let mut classes: Vec<(u32, u32, u8)> = Vec::new();
        for c in all() {
            let (number, class) = (u32::from(c), canonical_combining_class(c));
            match classes.last_mut() {
                _ if class == 0 => {}
                Some((first, count, same))
                    if *same == class && *first + *count == number && *count < 255 =>
                {
                    *count += 1;
                }
                _ => classes.push((number, 1, class)),
            }
        }

        let mut table = Vec::new();
        let mut put = |number: u32, bytes: usize| {
            table.extend_from_slice(&number.to_be_bytes()[4 - bytes..]);
        };
        for count in [runs.len(), steps.len(), seconds.len(), classes.len()] {
            put(count as u32, 2);
        }
        for (first, before) in runs {
            put(first, 3);
            put(before, 2);
        }
        steps.iter().for_each(|step| put(*step, 3));
        seconds.iter().for_each(|second| put((*second).into(), 3));
        for (first, count, class) in classes {
            put(first, 3);
            put(count, 1);
            put(class.into(), 1);
        }
        table
    }

    #[test]
    fn table_is_that_of_the_library() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sync/decompositions.bin");
        let table = table();
        if std::env::var_os("ACD_WRITE_TABLE").is_some() {
            fs::write(&path, &table).unwrap();
        }
        assert!(
            fs::read(&path).unwrap() == table,
            "another version of Unicode; to make the table anew:\n    \
             ACD_WRITE_TABLE=1 cargo test -p amazon-drive-backend table_is_that_of_the_library"
        );
    }

    #[test]
    fn every_character_is_decomposed_as_by_the_library() {
        for c in all() {
            let mut parts = Vec::new();
            decompose(c, &mut |part| parts.push(part));
            assert_eq!(parts, of_library(c), "{c:?}");
            assert_eq!(combining_class(c), canonical_combining_class(c), "{c:?}");
        }
    }
}
