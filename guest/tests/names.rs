//! What rclone 1.60.1 does to names, row for row.
//!
//! The rows were recorded from the real program between a local disk and a recording
//! server. An `encode` row is a name on the disk and the name that arrived at the service;
//! a `decode` row is a name on the service and how rclone showed it.

use std::{collections::BTreeSet, io::Read};

use amazon_drive_backend::names::{Encoding, decode, display, encode, from_display};
use flate2::read::GzDecoder;
use serde::Deserialize;

const ROWS: &[u8] = include_bytes!("names.jsonl.gz");

#[derive(Deserialize)]
struct Row {
    op: Operation,
    encoding: String,
    input_hex: String,
    output: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Operation {
    Encode,
    Decode,
}

impl Row {
    fn input(&self) -> Vec<u8> {
        hex::decode(&self.input_hex).expect("input_hex is hexadecimal")
    }

    fn encoding(&self) -> Encoding {
        self.encoding.parse().expect("rows name known flags")
    }
}

fn rows(op: Operation) -> Vec<Row> {
    let mut lines = String::new();
    GzDecoder::new(ROWS)
        .read_to_string(&mut lines)
        .expect("the rows are gzip and UTF-8");
    lines
        .lines()
        .map(|line| serde_json::from_str::<Row>(line).expect("a row a line"))
        .filter(|row| row.op == op)
        .collect()
}

/// Fails with all the wrong rows, not only the first.
fn assert_no_wrong(rows: &[Row], actual: impl Fn(&Row) -> Option<String>) {
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let actual = actual(row)?;
            let Row {
                encoding, output, ..
            } = row;
            let input = row.input();
            let input = String::from_utf8_lossy(&input);
            Some(format!(
                "{encoding}: {input:?} gave {actual:?}, rclone {output:?}"
            ))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_local_name_gets_the_service_name_of_rclone() {
    let rows = rows(Operation::Encode);
    assert_eq!(rows.len(), 1860);
    assert_no_wrong(&rows, |row| {
        let name = encode(&row.input(), row.encoding());
        (name != row.output).then_some(name)
    });
}

#[test]
fn every_service_name_is_shown_as_by_rclone() {
    let rows = rows(Operation::Decode);
    assert_eq!(rows.len(), 4169);
    assert_no_wrong(&rows, |row| {
        let name = String::from_utf8(row.input()).unwrap();
        let shown = display(&decode(&name, row.encoding()));
        (shown != row.output).then_some(shown)
    });
}

#[test]
fn every_recorded_local_name_comes_back_and_from_its_display() {
    let rows = rows(Operation::Encode);
    let mut spelling = 0;
    for row in &rows {
        let (input, encoding) = (row.input(), row.encoding());
        assert_eq!(from_display(display(&input).as_bytes()), input);
        if encoding.contains(Encoding::INVALID_UTF8) {
            assert_eq!(decode(&row.output, encoding), input, "{:?}", row.output);
            spelling += 1;
        }
    }
    assert_eq!(spelling, 413);
}

#[test]
fn the_recorded_encodings_have_every_flag_and_read_back() {
    let mut rows = rows(Operation::Encode);
    rows.extend(self::rows(Operation::Decode));
    let texts: BTreeSet<_> = rows.into_iter().map(|row| row.encoding).collect();
    let mut all = Encoding::ZERO;
    for text in &texts {
        let encoding: Encoding = text.parse().unwrap();
        assert_eq!(encoding.to_string().parse(), Ok(encoding));
        all = all | encoding;
    }
    assert_eq!(texts.len(), 34);
    assert_eq!(all, Encoding::from_bits(u32::MAX));
}
