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
        clashes: Clashes::Fail,
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
        new_name: None,
    }
}

fn extra(action: Action, destination: u32) -> Decision {
    Decision {
        action,
        source: None,
        destination: Some(destination),
        winner: None,
        new_name: None,
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
    let [decision] = &decisions[..] else {
        panic!("one decision for one name, not {decisions:?}")
    };
    assert_eq!(*decision, sent(decision.action, 0, there));
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
        match_keys(&names, rule, Clashes::Fail)
    };
    let names: [&[u8]; 4] = [b"Ab.TXT", "ÉΣΣ Я".as_bytes(), b"\xC3A\xFF", b"plain"];
    assert_eq!(keys(NameRule::Exact, &names), names);
    let lower: [&[u8]; 4] = [b"ab.txt", "e\u{301}σσ я".as_bytes(), b"\xC3a\xFF", b"plain"];
    assert_eq!(keys(NameRule::IgnoreCase, &names), lower);
    let composed = |rule| keys(rule, &["É".as_bytes(), "E\u{301}".as_bytes()]);
    let same = composed(NameRule::IgnoreCase);
    assert_eq!(same[0], same[1]);
    let different = composed(NameRule::Exact);
    assert_ne!(different[0], different[1]);
}

fn with(clashes: Clashes, remove_extra: bool) -> Options {
    Options {
        clashes,
        ..ignore_case(remove_extra)
    }
}

/// The decisions' actions, and the new names.
fn outline(decisions: &[Decision]) -> Vec<(Action, Option<u32>, Option<String>)> {
    let shown = |it: &Decision| {
        let name = it.new_name.clone();
        let name = name.map(|name| String::from_utf8(name).unwrap());
        (it.action, it.destination, name)
    };
    decisions.iter().map(shown).collect()
}

const MADE: &str = "a (clash 29ce3fef).txt";

#[test]
fn clash_is_an_error_left_out_or_renamed_as_asked() {
    let source = [file("A.txt", 1, None), file("a.txt", 1, None)];
    let second = |clashes| plan(&source, &[], with(clashes, true)).remove(1);
    assert_eq!(second(Clashes::Fail), clash(1, 0));
    assert_eq!(
        second(Clashes::Skip),
        Decision {
            action: LeaveOut,
            ..clash(1, 0)
        }
    );
    assert_eq!(
        second(Clashes::Rename),
        Decision {
            action: Create,
            new_name: Some(MADE.into()),
            ..clash(1, 0)
        }
    );
    for clashes in [Clashes::Fail, Clashes::Skip, Clashes::Rename] {
        let decisions = plan(&source, &[], with(clashes, true));
        assert_eq!(decisions[0], sent(Create, 0, None));
        // Where names are told apart by bytes, there is no clash.
        let exact = Options {
            clashes,
            ..exact(true)
        };
        assert_eq!(
            plan(&source, &[], exact),
            [sent(Create, 0, None), sent(Create, 1, None)]
        );
    }
}

#[test]
fn renamed_is_matched_with_what_has_the_new_name() {
    let source = [file("A.txt", 1, MD5), file("a.txt", 2, MD5)];
    let there = |size, md5| [file("A.txt", 1, MD5), file(MADE, size, md5)];
    for (size, md5, action) in [
        (2, MD5, Skip),
        (2, OTHER_MD5, Overwrite),
        (3, MD5, Overwrite),
    ] {
        let decisions = plan(&source, &there(size, md5), with(Clashes::Rename, true));
        assert_eq!(
            outline(&decisions),
            [
                (Skip, Some(0), None),
                (action, Some(1), Some(MADE.to_owned()))
            ]
        );
    }
    // Where it is not asked for any more, it is in excess like anything else.
    let decisions = plan(&source, &there(2, MD5), with(Clashes::Skip, true));
    assert_eq!(
        outline(&decisions),
        [
            (Skip, Some(0), None),
            (LeaveOut, None, None),
            (Remove, Some(1), None)
        ]
    );
}

#[test]
fn folder_that_clashes_goes_under_the_new_name_whole() {
    let source = [folder("a.txt"), file("A.txt", 1, MD5)];
    let decisions = plan(&source, &[], with(Clashes::Rename, true));
    let new_name = Some(MADE.to_owned());
    assert_eq!(
        outline(&decisions),
        [(MakeFolder, None, new_name.clone()), (Create, None, None)]
    );
    let decisions = plan(&source, &[folder(MADE)], with(Clashes::Rename, true));
    assert_eq!(
        outline(&decisions),
        [(Descend, Some(0), new_name.clone()), (Create, None, None)]
    );
    let decisions = plan(&source, &[file(MADE, 1, MD5)], with(Clashes::Rename, true));
    assert_eq!(decisions[0].action, KindConflict);
}

#[test]
fn new_name_is_none_that_the_source_has() {
    let source = [
        file("A.txt", 1, None),
        file("a.txt", 1, None),
        file(&MADE.to_uppercase(), 1, None),
    ];
    let decisions = plan(&source, &[], with(Clashes::Rename, true));
    let new_name = decisions[1].new_name.as_deref().unwrap();
    assert_eq!(new_name, clash::made_name(b"a.txt", 1));
    assert_eq!(decisions[2], sent(Create, 2, None));
}

#[test]
fn name_the_source_shows_twice_is_not_renamed() {
    let source = [file("A", 1, None), file("a", 1, None), file("a", 2, None)];
    let decisions = plan(&source, &[], with(Clashes::Rename, true));
    assert_eq!(decisions[1].action, Create);
    assert_eq!(decisions[2], clash(2, 0));
}

#[test]
fn names_the_destination_holds_beside_each_other_do_not_clash() {
    let source = [
        file("é", 1, MD5),
        file("e\u{301}", 2, MD5),
        file("É", 2, MD5),
    ];
    let destination = [file("e\u{301}", 2, MD5), file("é", 1, MD5)];
    assert_eq!(
        plan(&source, &destination, with(Clashes::Fail, true)),
        [sent(Skip, 0, 1), sent(Skip, 1, 0), clash(2, 1)]
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
    prop::collection::vec(any_item(), 0..12).prop_flat_map(|items| {
        // What earlier runs may have made.
        let made = items.clone().into_iter().map(|item| Item {
            name: clash::made_name(&item.name, 0),
            ..item
        });
        let made = prop::sample::subsequence(made.collect::<Vec<_>>(), 0..=items.len().min(4));
        made.prop_map(move |made| items.iter().cloned().chain(made).collect())
    })
}

fn any_options() -> impl Strategy<Value = Options> {
    let clashes = prop::sample::select(vec![Clashes::Fail, Clashes::Skip, Clashes::Rename]);
    (any::<bool>(), any::<bool>(), clashes).prop_map(|(exactly, remove_extra, clashes)| Options {
        clashes,
        ..if exactly {
            exact(remove_extra)
        } else {
            ignore_case(remove_extra)
        }
    })
}

fn key_of(item: &Item, rule: NameRule) -> Vec<u8> {
    match_keys(std::slice::from_ref(&item.name), rule, Clashes::Fail).remove(0)
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
        let decisions = plan(&source, &destination, options);
        let made: Vec<_> = decisions.iter().filter_map(|it| it.new_name.clone()).map(|it| [it]).collect();
        for decision in decisions {
            let removes = decision.action == Remove;
            prop_assert!(options.remove_extra || !removes);
            if let (None, Some(index)) = (decision.source, decision.destination) {
                let key = key_of(&destination[index as usize], rule);
                let matched = source.iter().any(|item| key_of(item, rule) == key)
                    || made.iter().any(|name| match_keys(name, rule, Clashes::Fail) == [&*key]);
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
            let own = match &decision.new_name {
                Some(name) => match_keys(std::slice::from_ref(name), rule, Clashes::Fail).remove(0),
                None => key.clone(),
            };
            if let Some(partner) = decision.destination {
                prop_assert_eq!(&own, &key_of(&destination[partner as usize], rule));
            }
            if decision.new_name.is_some() {
                prop_assert_eq!(options.clashes, Clashes::Rename);
                prop_assert!(source.iter().all(|item| key_of(item, rule) != own));
            }
            let clashes = matches!(decision.action, NameClash | LeaveOut) || decision.new_name.is_some();
            prop_assert_eq!(decision.winner.is_some(), clashes);
            if let Some(winner) = decision.winner {
                prop_assert_eq!(&key, &key_of(&source[winner as usize], rule));
                prop_assert!(decisions[winner as usize].winner.is_none());
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
            let name = std::slice::from_ref(&item.name);
            match_keys(name, options.destination_names, options.clashes)[0].as_slice() < cut.as_bytes()
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
