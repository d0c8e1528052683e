//! Laws of the encoding, over many names and many encodings. What single names become is
//! in the recorded vectors, tests/names.rs.

use proptest::prelude::*;

use super::{Encoding, decode, display, encode, encoding::WORDS, from_display};

/// All that means something to some encoding, and a few that mean nothing.
const PIECES: &[&[u8]] = &[
    "‛".as_bytes(),
    "␀".as_bytes(),
    "␠".as_bytes(),
    "．".as_bytes(),
    "～".as_bytes(),
    "␉".as_bytes(),
    "␊".as_bytes(),
    "␡".as_bytes(),
    "／".as_bytes(),
    "％".as_bytes(),
    "\u{fffd}".as_bytes(),
    "é".as_bytes(),
    b"\0",
    b" ",
    b".",
    b"~",
    b"\t",
    b"\n",
    b"\x7f",
    b"/",
    b"%",
    b"a",
    b"4",
    b"\xe2",
    b"\x80",
    b"\x9b",
    b"\xff",
];

fn single_flags() -> impl Iterator<Item = Encoding> {
    WORDS
        .into_iter()
        .map(|(_, flag)| flag | Encoding::INVALID_UTF8)
}

/// Each flag alone, and the combinations that get in each other's way.
fn awkward_encodings() -> Vec<Encoding> {
    let edges = [
        "Dot,LeftPeriod",
        "Dot,RightPeriod",
        "Dot,LeftPeriod,RightPeriod",
        "LeftPeriod,RightPeriod",
        "LeftSpace,RightSpace",
        "LeftSpace,RightSpace,LeftPeriod,RightPeriod,Dot",
        "LeftCrLfHtVt,RightCrLfHtVt",
        "Ctl,CrLf,LeftCrLfHtVt,RightCrLfHtVt",
        "Ctl,RightCrLfHtVt,RightSpace",
        "Slash,Dot",
    ];
    let mut encodings: Vec<_> = single_flags().collect();
    encodings.extend(edges.map(|text| text.parse::<Encoding>().unwrap() | Encoding::INVALID_UTF8));
    encodings.push(Encoding::from_bits(u32::MAX));
    encodings
}

fn assert_comes_back(raw: &[u8], encoding: Encoding) {
    let name = encode(raw, encoding);
    let back = decode(&name, encoding);
    assert!(
        back == raw,
        "{encoding}: {} became {name:?} became {}",
        raw.escape_ascii(),
        back.escape_ascii()
    );
}

fn assert_display_comes_back(raw: &[u8]) {
    let shown = display(raw);
    let back = from_display(shown.as_bytes());
    assert!(
        back == raw,
        "{} is shown as {shown:?}, which is {}",
        raw.escape_ascii(),
        back.escape_ascii()
    );
}

#[test]
fn every_name_of_up_to_three_pieces_comes_back() {
    let encodings = awkward_encodings();
    let mut names: Vec<Vec<u8>> = vec![Vec::new()];
    for length in 0..=3 {
        for raw in &names {
            assert_display_comes_back(raw);
            for encoding in &encodings {
                assert_comes_back(raw, *encoding);
            }
        }
        if length < 3 {
            names = names
                .iter()
                .flat_map(|raw| PIECES.iter().map(move |piece| [raw, *piece].concat()))
                .collect();
        }
    }
}

#[test]
fn lone_bytes_and_quotes_come_back_whatever_follows() {
    let pairs = || (0..=u16::MAX).map(u16::to_be_bytes);
    for raw in pairs().flat_map(|pair| [pair.to_vec(), ["‛".as_bytes(), &pair].concat()]) {
        assert_comes_back(&raw, Encoding::default());
        assert_comes_back(&raw, Encoding::from_bits(u32::MAX));
        assert_display_comes_back(&raw);
    }
}

fn raw_name() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(PIECES).prop_map(<[u8]>::to_vec);
    let character = any::<char>().prop_map(|char| char.to_string().into_bytes());
    let byte = any::<u8>().prop_map(|byte| vec![byte]);
    prop::collection::vec(prop_oneof![6 => piece, 1 => character, 2 => byte], 0..14)
        .prop_map(|pieces| pieces.concat())
}

fn any_encoding() -> impl Strategy<Value = Encoding> {
    prop_oneof![
        any::<u32>().prop_map(Encoding::from_bits),
        any::<[u32; 2]>().prop_map(|[a, b]| Encoding::from_bits(a & b)),
        any::<[u32; 3]>().prop_map(|[a, b, c]| Encoding::from_bits(a & b & c)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn every_name_comes_back(raw in raw_name(), encoding in any_encoding()) {
        assert_comes_back(&raw, encoding | Encoding::INVALID_UTF8);
    }

    #[test]
    fn every_sequence_of_bytes_comes_back(
        raw in prop::collection::vec(any::<u8>(), 0..40),
        encoding in any_encoding(),
    ) {
        assert_comes_back(&raw, encoding | Encoding::INVALID_UTF8);
        assert_display_comes_back(&raw);
    }

    #[test]
    fn every_name_comes_back_from_its_display(raw in raw_name()) {
        assert_display_comes_back(&raw);
    }

    #[test]
    fn what_the_encoding_replaces_is_not_in_the_service_name(
        raw in raw_name(),
        encoding in any_encoding(),
    ) {
        let name = encode(&raw, encoding);
        let has = |flag| encoding.contains(flag);
        prop_assert!(!name.contains('\0'));
        prop_assert!(!(has(Encoding::SLASH) && name.contains('/')));
        prop_assert!(!(has(Encoding::PERCENT) && name.contains('%')));
        prop_assert!(!(has(Encoding::CTL) && name.contains(|char| char < ' ')));
        prop_assert!(!(has(Encoding::DEL) && name.contains('\x7f')));
        prop_assert!(!(has(Encoding::DOT) && matches!(&*name, "." | "..")));
        prop_assert!(!(has(Encoding::LEFT_SPACE) && name.starts_with(' ')));
        prop_assert!(!(has(Encoding::LEFT_TILDE) && name.starts_with('~')));
        prop_assert!(!(has(Encoding::RIGHT_SPACE) && name.ends_with(' ')));
        prop_assert!(!(has(Encoding::RIGHT_PERIOD) && name.ends_with('.')));
        prop_assert!(!(has(Encoding::RIGHT_CR_LF_HT_VT) && name.ends_with(['\t', '\n'])));
    }

    #[test]
    fn a_service_name_reads_back_as_a_name_that_comes_back(
        name in raw_name(),
        encoding in any_encoding(),
    ) {
        let name = String::from_utf8_lossy(&name);
        assert_comes_back(&decode(&name, encoding), encoding | Encoding::INVALID_UTF8);
    }

    #[test]
    fn displayed_names_are_one_harmless_component(raw in raw_name()) {
        let shown = display(&raw);
        prop_assert!(!shown.contains(['/', '\x7f']) && !shown.contains(|char| char < ' '));
        prop_assert!(!matches!(&*shown, "." | ".."));
    }
}

#[test]
fn names_rclone_cannot_copy_are_spelled() {
    let all_edges = "LeftPeriod,RightSpace,RightPeriod,Dot,InvalidUtf8";
    for (text, raw, name) in [
        ("Slash,InvalidUtf8,Dot", "‛Tis".as_bytes(), "‛E2‛80‛9BTis"),
        ("Slash,InvalidUtf8,Dot", "‛‛Tis".as_bytes(), "‛‛Tis"),
        ("Slash,InvalidUtf8,Dot", b"a\0b", "a‛00b"),
        ("Slash,InvalidUtf8,Dot", "a␀b".as_bytes(), "a␀b"),
        ("Slash,InvalidUtf8,Dot", b"\xff\xe2\x80", "‛FF‛E2‛80"),
        (all_edges, "a‛‛ ".as_bytes(), "a‛‛‛20"),
        (all_edges, "a‛‛␠".as_bytes(), "a‛‛‛␠"),
        (all_edges, b"..", "．．"),
        (
            "LeftPeriod,Dot,InvalidUtf8",
            ".．".as_bytes(),
            "．‛EF‛BC‛8E",
        ),
        ("RightPeriod,Dot,InvalidUtf8", "．.".as_bytes(), "．‛2E"),
    ] {
        let encoding = text.parse().unwrap();
        assert_eq!(encode(raw, encoding), name);
        assert_eq!(decode(name, encoding), raw, "{name}");
    }
}

#[test]
fn without_spelling_the_name_is_still_text() {
    for (raw, name) in [
        (&b"\xff\xe2\x80"[..], "\u{fffd}\u{fffd}\u{fffd}"),
        ("‛Tis".as_bytes(), "‛‛Tis"),
        (b"a\0b", "a␀b"),
    ] {
        assert_eq!(encode(raw, Encoding::SLASH), name);
    }
}

#[test]
fn people_see_and_type_plain_names_as_they_are() {
    for (raw, shown) in [
        ("‛Tis the season‛".as_bytes(), "‛Tis the season‛"),
        ("‛‛Tis".as_bytes(), "‛‛Tis"),
        ("‛be".as_bytes(), "‛E2‛80‛9Bbe"),
        ("‛／".as_bytes(), "‛E2‛80‛9B‛／"),
        (b"caf\xe9\t", "caf‛E9␉"),
        (b"a/b", "a／b"),
        ("a／b".as_bytes(), "a‛／b"),
        (b"..", "．．"),
        (b" ~.$", " ~.$"),
        ("Zürich 東京".as_bytes(), "Zürich 東京"),
        (b"", ""),
    ] {
        assert_eq!(display(raw), shown);
        assert_eq!(from_display(shown.as_bytes()), raw, "{shown}");
    }
}

#[test]
fn names_completed_by_a_shell_are_taken_as_they_are() {
    for typed in [&b"caf\xe9"[..], b"\xff\xfe/", "‛Tis \u{fffd}".as_bytes()] {
        assert_eq!(from_display(typed), typed);
    }
}
