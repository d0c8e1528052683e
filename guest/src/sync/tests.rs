use proptest::prelude::*;

use super::{Action::*, *};

const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
const OTHER_MD5: &str = "0cc175b9c0f1b6a831c399e269772661";

fn file(name: &str, size: impl Into<Option<u64>>, md5: impl Into<Option<&'static str>>) -> Item {
    Item {
        name: name.into(),
        kind: Kind::File,
        size: size.into(),
        md5: md5.into().map(str::to_owned),
    }
}

fn folder(name: &str) -> Item {
    Item {
        kind: Kind::Folder,
        ..file(name, None, None)
    }
}

fn exact(remove_extra: bool) -> Options {
    Options {
        destination_names: NameRule::Exact,
        remove_extra,
    }
}

fn ignore_case(remove_extra: bool) -> Options {
    Options {
        destination_names: NameRule::IgnoreCase,
        ..exact(remove_extra)
    }
}

fn sent(action: Action, source: u32, destination: impl Into<Option<u32>>) -> Decision {
    Decision {
        action,
        source: Some(source),
        destination: destination.into(),
        winner: None,
    }
}

fn extra(action: Action, destination: u32) -> Decision {
    Decision {
        action,
        source: None,
        destination: Some(destination),
        winner: None,
    }
}

fn clash(source: u32, winner: u32) -> Decision {
    Decision {
        winner: Some(winner),
        ..sent(NameClash, source, None)
    }
}

/// The one action for a source's and a destination's item of one name.
fn action_of(source: Item, destination: Option<Item>) -> Action {
    let destination: Vec<_> = destination.into_iter().collect();
    let decisions = plan(&[source], &destination, ignore_case(true));
    let there = (!destination.is_empty()).then_some(0);
    let [decision] = decisions[..] else {
        panic!("one decision for one name, not {decisions:?}")
    };
    assert_eq!(decision, sent(decision.action, 0, there));
    decision.action
}

#[test]
fn files_are_told_apart_by_size_and_md5() {
    for (source, destination, action) in [
        (file("a", 1, MD5), file("a", 1, MD5), Skip),
        (file("a", 1, MD5), file("a", 1, OTHER_MD5), Overwrite),
        (file("a", 1, MD5), file("a", 2, MD5), Overwrite),
        (file("a", 1, None), file("a", 2, None), Overwrite),
        (file("a", 1, None), file("a", 1, MD5), Compare),
        (file("a", 1, MD5), file("a", 1, None), Compare),
        (file("a", 1, None), file("a", 1, None), Compare),
        (file("a", 1, MD5), file("a", None, None), Overwrite),
        (file("a", None, None), file("a", 1, MD5), NotReady),
        (file("a", None, None), file("a", None, None), NotReady),
    ] {
        let case = format!("{source:?} {destination:?}");
        assert_eq!(action_of(source, Some(destination)), action, "{case}");
    }
}

#[test]
fn what_the_destination_lacks_is_made() {
    assert_eq!(action_of(file("a", 0, None), None), Create);
    assert_eq!(action_of(file("a", 1, MD5), None), Create);
    assert_eq!(action_of(file("a", None, None), None), NotReady);
    assert_eq!(action_of(folder("a"), None), MakeFolder);
}

#[test]
fn folders_are_gone_into() {
    assert_eq!(action_of(folder("a"), Some(folder("a"))), Descend);
    assert_eq!(action_of(folder("A"), Some(folder("a"))), Descend);
}

#[test]
fn a_file_and_a_folder_conflict() {
    let pending = file("a", None, None);
    assert_eq!(
        action_of(folder("a"), Some(file("a", 1, MD5))),
        KindConflict
    );
    assert_eq!(
        action_of(file("a", 1, MD5), Some(folder("a"))),
        KindConflict
    );
    assert_eq!(action_of(pending, Some(folder("a"))), KindConflict);
}

#[test]
fn extras_are_removed_only_when_asked() {
    let there = [folder("b"), file("a", 1, MD5)];
    assert_eq!(
        plan(&[], &there, exact(true)),
        [extra(Remove, 0), extra(Remove, 1)]
    );
    assert_eq!(
        plan(&[], &there, exact(false)),
        [extra(Keep, 0), extra(Keep, 1)]
    );
}

#[test]
fn decisions_come_in_the_order_of_the_source_then_the_destination() {
    let source = [file("z", 1, None), folder("a"), file("m", 1, MD5)];
    let destination = [file("y", 1, None), file("m", 1, MD5), file("b", 1, None)];
    assert_eq!(
        plan(&source, &destination, exact(true)),
        [
            sent(Create, 0, None),
            sent(MakeFolder, 1, None),
            sent(Skip, 2, 1),
            extra(Remove, 0),
            extra(Remove, 2),
        ]
    );
}

#[test]
fn case_matters_only_by_rule() {
    let source = [file("Straße É", 1, MD5)];
    let destination = [file("straße é", 1, MD5)];
    assert_eq!(
        plan(&source, &destination, exact(true)),
        [sent(Create, 0, None), extra(Remove, 0)]
    );
    assert_eq!(
        plan(&source, &destination, ignore_case(true)),
        [sent(Skip, 0, 0)]
    );
}

#[test]
fn of_names_that_clash_the_first_by_bytes_goes_first() {
    let source = [file("a", 1, None), file("A", 1, None), folder("b")];
    assert_eq!(
        plan(&source, &[], ignore_case(true)),
        [
            clash(0, 1),
            sent(Create, 1, None),
            sent(MakeFolder, 2, None)
        ]
    );
    assert_eq!(
        plan(&source, &[], exact(true)),
        [
            sent(Create, 0, None),
            sent(Create, 1, None),
            sent(MakeFolder, 2, None)
        ]
    );
}

#[test]
fn of_names_that_clash_the_destinations_own_goes_first() {
    let source = [file("AB", 1, None), file("Ab", 1, None), folder("ab")];
    let destination = [file("Ab", 2, None)];
    assert_eq!(
        plan(&source, &destination, ignore_case(true)),
        [clash(0, 1), sent(Overwrite, 1, 0), clash(2, 1)]
    );
    let destination = [file("aB", 2, None)];
    assert_eq!(
        plan(&source, &destination, ignore_case(true)),
        [sent(Overwrite, 0, 0), clash(1, 0), clash(2, 0)]
    );
}

#[test]
fn twins_of_a_matched_name_are_kept() {
    let source = [file("a", 1, MD5)];
    let destination = [file("A", 1, MD5), file("a", 1, MD5), file("a", 1, MD5)];
    assert_eq!(
        plan(&source, &destination, ignore_case(true)),
        [sent(Skip, 0, 1), extra(Keep, 0), extra(Keep, 2)]
    );
    assert_eq!(
        plan(&source, &destination, exact(true)),
        [sent(Skip, 0, 1), extra(Remove, 0), extra(Keep, 2)]
    );
}

#[test]
fn a_source_that_shows_a_name_twice_sends_it_once() {
    let source = [file("a", 1, None), file("a", 1, None)];
    assert_eq!(
        plan(&source, &[], exact(true)),
        [sent(Create, 0, None), clash(1, 0)]
    );
}

#[test]
fn equal_content_is_equal_size_and_md5_in_any_case() {
    let upper = Item {
        md5: Some(MD5.to_uppercase()),
        ..file("b", 1, None)
    };
    assert!(same_content(&file("a", 1, MD5), &upper));
    for (a, b) in [
        (file("a", 1, MD5), file("a", 2, MD5)),
        (file("a", 1, MD5), file("a", 1, OTHER_MD5)),
        (file("a", 1, MD5), file("a", 1, None)),
        (file("a", 1, None), file("a", 1, None)),
        (file("a", None, MD5), file("a", None, MD5)),
    ] {
        assert!(!same_content(&a, &b), "{a:?} {b:?}");
        assert!(!same_content(&b, &a), "{b:?} {a:?}");
    }
}

#[test]
fn keys_ignore_case_in_every_script_and_leave_other_bytes() {
    let keys = |rule, names: &[&[u8]]| {
        let names: Vec<_> = names.iter().map(|name| name.to_vec()).collect();
        match_keys(&names, rule)
    };
    let names: [&[u8]; 4] = [b"Ab.TXT", "ÉΣΣ Я".as_bytes(), b"\xC3A\xFF", b"plain"];
    assert_eq!(keys(NameRule::Exact, &names), names);
    let lower: [&[u8]; 4] = [b"ab.txt", "éσσ я".as_bytes(), b"\xC3a\xFF", b"plain"];
    assert_eq!(keys(NameRule::IgnoreCase, &names), lower);
    assert_ne!(
        keys(NameRule::IgnoreCase, &["É".as_bytes()]),
        keys(NameRule::IgnoreCase, &["E\u{301}".as_bytes()])
    );
}

fn any_item() -> impl Strategy<Value = Item> {
    let name = prop::sample::select(vec!["a", "A", "b", "B", "ab", "aB", "é", "É", "é\u{301}"]);
    let kind = prop_oneof![3 => Just(Kind::File), 1 => Just(Kind::Folder)];
    let size = prop_oneof![1 => Just(None), 4 => (0..3_u64).prop_map(Some)];
    let md5 = prop::option::of(prop::sample::select(vec![MD5, OTHER_MD5]));
    (name, kind, size, md5).prop_map(|(name, kind, size, md5)| match kind {
        Kind::File => file(name, size, md5),
        Kind::Folder => folder(name),
    })
}

fn any_side() -> impl Strategy<Value = Vec<Item>> {
    prop::collection::vec(any_item(), 0..12)
}

fn any_options() -> impl Strategy<Value = Options> {
    (any::<bool>(), any::<bool>()).prop_map(|(exactly, remove_extra)| {
        if exactly {
            exact(remove_extra)
        } else {
            ignore_case(remove_extra)
        }
    })
}

fn key_of(item: &Item, rule: NameRule) -> Vec<u8> {
    match_keys(std::slice::from_ref(&item.name), rule).remove(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn each_item_is_in_exactly_one_decision_in_order(
        source in any_side(),
        destination in any_side(),
        options in any_options(),
    ) {
        let decisions = plan(&source, &destination, options);
        let indexes = |side: fn(&Decision) -> Option<u32>| -> Vec<u32> {
            decisions.iter().filter_map(side).collect()
        };
        let sources = indexes(|decision| decision.source);
        prop_assert_eq!(sources, (0..source.len() as u32).collect::<Vec<_>>());
        let mut destinations = indexes(|decision| decision.destination);
        destinations.sort_unstable();
        prop_assert_eq!(destinations, (0..destination.len() as u32).collect::<Vec<_>>());
        let extras = &decisions[source.len()..];
        prop_assert!(extras.iter().all(|extra| extra.source.is_none()));
        prop_assert!(extras.is_sorted_by_key(|extra| extra.destination));
    }

    #[test]
    fn only_what_no_source_name_matches_is_ever_removed(
        source in any_side(),
        destination in any_side(),
        options in any_options(),
    ) {
        let rule = options.destination_names;
        for decision in plan(&source, &destination, options) {
            let removes = decision.action == Remove;
            prop_assert!(options.remove_extra || !removes);
            if let (None, Some(index)) = (decision.source, decision.destination) {
                let key = key_of(&destination[index as usize], rule);
                let matched = source.iter().any(|item| key_of(item, rule) == key);
                prop_assert_eq!(removes, options.remove_extra && !matched);
            }
        }
    }

    #[test]
    fn pairs_have_one_key_and_clashes_a_winner_that_does_something(
        source in any_side(),
        destination in any_side(),
        options in any_options(),
    ) {
        let rule = options.destination_names;
        let decisions = plan(&source, &destination, options);
        for decision in &decisions {
            let Some(index) = decision.source else { continue };
            let key = key_of(&source[index as usize], rule);
            if let Some(partner) = decision.destination {
                prop_assert_eq!(&key, &key_of(&destination[partner as usize], rule));
            }
            prop_assert_eq!(decision.winner.is_some(), decision.action == NameClash);
            if let Some(winner) = decision.winner {
                prop_assert_eq!(&key, &key_of(&source[winner as usize], rule));
                prop_assert_ne!(decisions[winner as usize].action, NameClash);
            }
        }
    }

    #[test]
    fn equal_sides_need_nothing(side in any_side(), options in any_options()) {
        let mut names = std::collections::BTreeSet::new();
        let side: Vec<_> = side
            .into_iter()
            .filter(|item| names.insert(key_of(item, options.destination_names)))
            .map(|item| match item.kind {
                Kind::File => Item {
                    size: Some(1),
                    md5: Some(MD5.into()),
                    ..item
                },
                Kind::Folder => item,
            })
            .collect();
        for (index, decision) in plan(&side, &side, options).into_iter().enumerate() {
            let action = match side[index].kind {
                Kind::File => Skip,
                Kind::Folder => Descend,
            };
            prop_assert_eq!(decision, sent(action, index as u32, index as u32));
        }
    }

    #[test]
    fn slices_by_key_decide_like_the_whole(
        source in any_side(),
        destination in any_side(),
        options in any_options(),
        cut in prop::sample::select(vec!["", "a", "ab", "b", "é"]),
    ) {
        let below = |item: &&Item| {
            key_of(item, options.destination_names).as_slice() < cut.as_bytes()
        };
        let actions = |source: &[Item], destination: &[Item]| -> Vec<(Action, Option<Item>)> {
            plan(source, destination, options)
                .into_iter()
                .map(|decision| {
                    let item = decision.source.map(|index| source[index as usize].clone());
                    (decision.action, item)
                })
                .collect()
        };
        let split = |items: &[Item]| -> (Vec<Item>, Vec<Item>) {
            items.iter().cloned().partition(|item| below(&item))
        };
        let (low_source, high_source) = split(&source);
        let (low_destination, high_destination) = split(&destination);
        let mut sliced = actions(&low_source, &low_destination);
        sliced.extend(actions(&high_source, &high_destination));
        let mut whole = actions(&source, &destination);
        let order = |(action, item): &(Action, Option<Item>)| format!("{item:?} {action:?}");
        sliced.sort_by_key(order);
        whole.sort_by_key(order);
        prop_assert_eq!(sliced, whole);
    }
}
