//! The service's JSON: read into own types here and nowhere else.

use std::borrow::Cow;

use serde::{Serialize, de::Error as _};
use serde_json::Error;

use crate::{
    lenient::{self, Fields, Value},
    names::{self, Encoding},
};

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
}

/// A moment: seconds since 1970 and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Instant {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// A file or folder, its name decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) size: Option<u64>,
    pub(crate) md5: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) created: Instant,
    pub(crate) modified: Instant,
    /// The file's own time.
    pub(crate) original_time: Option<Instant>,
    /// Ids of the folders it is in.
    pub(crate) parents: Vec<String>,
    pub(crate) version: u64,
    /// Short words that any program may put on it.
    pub(crate) labels: Vec<String>,
}

/// A node as the service sends it. All of it may be missing: one odd node must not cost a
/// whole page.
#[derive(Debug, Default)]
pub(crate) struct WireNode<'a> {
    /// Empty where there is none.
    pub(crate) id: Cow<'a, str>,
    pub(crate) name: Option<Cow<'a, str>>,
    kind: Cow<'a, str>,
    status: Cow<'a, str>,
    is_root: bool,
    parents: Vec<Cow<'a, str>>,
    version: Option<u64>,
    labels: Vec<Cow<'a, str>>,
    created_date: Cow<'a, str>,
    modified_date: Cow<'a, str>,
    /// The program that made it.
    pub(crate) created_by: Cow<'a, str>,
    content: WireContent<'a>,
    /// Kept in a property.
    original_time: Option<Instant>,
}

impl<'de: 'a, 'a> Fields<'de> for WireNode<'a> {
    fn field(&mut self, key: &str, value: &mut dyn Value<'de>) -> Result<(), Error> {
        match key {
            "id" => self.id = value.text()?.unwrap_or_default(),
            "name" => self.name = value.text()?,
            "kind" => self.kind = value.text()?.unwrap_or_default(),
            "status" => self.status = value.text()?.unwrap_or_default(),
            "isRoot" => self.is_root = value.flag()?,
            "parents" => self.parents = value.texts()?,
            "version" => self.version = value.number()?,
            "labels" => self.labels = value.texts()?,
            "createdBy" => self.created_by = value.text()?.unwrap_or_default(),
            "createdDate" => self.created_date = value.text()?.unwrap_or_default(),
            "modifiedDate" => self.modified_date = value.text()?.unwrap_or_default(),
            "contentProperties" => self.content = value.object()?,
            "properties" => self.original_time = value.object::<Owners>()?.0,
            _ => {}
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct WireContent<'a> {
    size: Option<u64>,
    md5: Option<Cow<'a, str>>,
    content_type: Option<Cow<'a, str>>,
}

impl<'de: 'a, 'a> Fields<'de> for WireContent<'a> {
    fn field(&mut self, key: &str, value: &mut dyn Value<'de>) -> Result<(), Error> {
        match key {
            "size" => self.size = value.number()?,
            "md5" => self.md5 = value.text()?,
            "contentType" => self.content_type = value.text()?,
            _ => {}
        }
        Ok(())
    }
}

/// Properties by owner and key. Only the file's own time is of interest, whoever of this
/// program's installations kept it.
#[derive(Default)]
struct Owners(Option<Instant>);

impl<'de> Fields<'de> for Owners {
    fn field(&mut self, _: &str, value: &mut dyn Value<'de>) -> Result<(), Error> {
        let own: Properties = value.object()?;
        self.0 = self.0.or(own.0);
        Ok(())
    }
}

/// One owner's properties.
#[derive(Default)]
struct Properties(Option<Instant>);

impl<'de> Fields<'de> for Properties {
    fn field(&mut self, key: &str, value: &mut dyn Value<'de>) -> Result<(), Error> {
        if key == ORIGINAL_TIME {
            self.0 = value.text()?.and_then(|text| instant(&text));
        }
        Ok(())
    }
}

/// Why a node of a reply is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Odd {
    /// Not even an id.
    Unreadable,
    /// Neither file nor folder.
    Kind,
    /// In the trash, or gone.
    NotAvailable,
    /// The trash's listing has it, and it is not in the trash.
    NotTrashed,
    /// An upload to it has not ended, or never will.
    Pending,
    /// A folder's listing has it, and it is not in that folder.
    Elsewhere,
    /// Only the root may have none.
    Nameless,
}

impl<'a> WireNode<'a> {
    /// What is no node is one without an id.
    pub(crate) fn read(json: &'a [u8]) -> Result<Self, Error> {
        let mut node = Self::default();
        lenient::object(json, &mut node)?;
        Ok(node)
    }

    /// Whether it is the child of `parent` that its listing says it is.
    pub(crate) fn oddity(&self, parent: Option<&str>) -> Option<Odd> {
        if self.id.is_empty() {
            return Some(Odd::Unreadable);
        }
        match self.status.as_ref() {
            "AVAILABLE" => self.oddity_besides_status(parent),
            "PENDING" => Some(Odd::Pending),
            _ => Some(Odd::NotAvailable),
        }
    }

    /// Whether it is in the trash, as the trash's listing says.
    pub(crate) fn oddity_in_trash(&self) -> Option<Odd> {
        match self.status.as_ref() {
            _ if self.id.is_empty() => Some(Odd::Unreadable),
            "TRASH" => self.oddity_besides_status(None),
            _ => Some(Odd::NotTrashed),
        }
    }

    fn oddity_besides_status(&self, parent: Option<&str>) -> Option<Odd> {
        let here = |parent: &str| self.parents.iter().any(|id| id == parent);
        if !matches!(self.kind.as_ref(), "FILE" | "FOLDER") {
            Some(Odd::Kind)
        } else if !self.is_root && self.name.as_deref().unwrap_or("").is_empty() {
            Some(Odd::Nameless)
        } else if parent.is_some_and(|parent| !here(parent)) {
            Some(Odd::Elsewhere)
        } else {
            None
        }
    }

    /// Whether it is the one folder that has no name and no parent.
    pub(crate) fn is_root(&self) -> bool {
        self.is_root && self.kind == "FOLDER"
    }

    pub(crate) fn is_file(&self) -> bool {
        self.kind == "FILE"
    }

    /// Whether it is in the trash.
    pub(crate) fn is_trashed(&self) -> bool {
        self.status == "TRASH"
    }

    /// Whether it is gone for good.
    pub(crate) fn is_purged(&self) -> bool {
        self.status == "PURGED"
    }

    /// As a node of this program.
    pub(crate) fn into_node(self, encoding: Encoding) -> Node {
        let kind = if self.is_file() {
            Kind::File
        } else {
            Kind::Folder
        };
        let content = match kind {
            Kind::File => self.content,
            Kind::Folder => WireContent::default(),
        };
        let name = match (self.is_root, self.name) {
            (true, _) | (_, None) => Vec::new(),
            (_, Some(name)) => names::decode(&name, encoding),
        };
        let md5 = content.md5.map(|md5| md5.to_ascii_lowercase());
        Node {
            id: self.id.into_owned(),
            name,
            kind,
            size: content.size,
            md5: md5.filter(|md5| !md5.is_empty()),
            content_type: content.content_type.map(Cow::into_owned),
            created: instant(&self.created_date).unwrap_or_default(),
            modified: instant(&self.modified_date).unwrap_or_default(),
            original_time: self.original_time,
            parents: self.parents.into_iter().map(Cow::into_owned).collect(),
            version: self.version.unwrap_or(0),
            labels: self.labels.into_iter().map(Cow::into_owned).collect(),
        }
    }
}

/// The property that keeps a file's own time, as the service writes times, with nine
/// decimals.
pub(crate) const ORIGINAL_TIME: &str = "acd_mtime";

/// A page of a listing.
#[derive(Debug, Default)]
pub(crate) struct Page<'a> {
    pub(crate) data: Vec<WireNode<'a>>,
    pub(crate) next_token: Option<String>,
    is_one: bool,
}

impl<'de: 'a, 'a> Fields<'de> for Page<'a> {
    fn field(&mut self, key: &str, value: &mut dyn Value<'de>) -> Result<(), Error> {
        match key {
            "data" => {
                self.data = value.objects()?;
                self.is_one = true;
            }
            // What is neither text nor null must not pass for the end.
            "nextToken" => self.next_token = value.strict_text()?.map(Cow::into_owned),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Page<'a> {
    pub(crate) fn read(json: &'a [u8]) -> Result<Self, Error> {
        let mut page = Self::default();
        lenient::object(json, &mut page)?;
        match page.is_one {
            true => Ok(page),
            // A reply without nodes is no page, and must not pass for an empty one.
            false => Err(Error::custom("there is no data")),
        }
    }
}

/// A line of the changes.
#[derive(Debug, Default)]
pub(crate) struct WireSet<'a> {
    pub(crate) checkpoint: Cow<'a, str>,
    pub(crate) reset: bool,
    pub(crate) nodes: Option<Vec<WireNode<'a>>>,
    pub(crate) status_code: Option<u64>,
    pub(crate) end: bool,
}

impl<'de: 'a, 'a> Fields<'de> for WireSet<'a> {
    fn field(&mut self, key: &str, value: &mut dyn Value<'de>) -> Result<(), Error> {
        match key {
            "checkpoint" => self.checkpoint = value.text()?.unwrap_or_default(),
            "reset" => self.reset = value.flag()?,
            // What is no list is an error, and must not pass for an empty one.
            "nodes" => self.nodes = Some(value.objects()?),
            "statusCode" => self.status_code = value.number()?,
            "end" => self.end = value.flag()?,
            _ => {}
        }
        Ok(())
    }
}

/// Where an account's two halves are.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    pub(crate) content_url: String,
    pub(crate) metadata_url: String,
}

impl<'de> Fields<'de> for Endpoints {
    fn field(&mut self, key: &str, value: &mut dyn Value<'de>) -> Result<(), Error> {
        let url = match key {
            "contentUrl" => &mut self.content_url,
            "metadataUrl" => &mut self.metadata_url,
            _ => return Ok(()),
        };
        *url = value.text()?.unwrap_or_default().into_owned();
        Ok(())
    }
}

/// A node to be made.
#[derive(Debug, Serialize)]
pub(crate) struct NewNode<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: &'static str,
    pub(crate) parents: [&'a str; 1],
    /// Chosen by the client: the service makes at most one node of each.
    #[serde(rename = "localId", skip_serializing_if = "Option::is_none")]
    pub(crate) local_id: Option<&'a str>,
}

/// Adds the property that keeps a time to a node to be made.
pub(crate) fn add_time(node: &mut String, owner: &str, time: &str) {
    let Ok(owner) = serde_json::to_string(owner) else {
        return;
    };
    // By hand: what writes maps would be here for this alone.
    node.pop();
    for part in [
        ",\"properties\":{",
        &owner,
        ":{\"",
        ORIGINAL_TIME,
        "\":\"",
        time,
        "\"}}}",
    ] {
        node.push_str(part);
    }
}

/// What changes are wanted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangesAfter<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_purged: Option<&'static str>,
}

impl<'a> ChangesAfter<'a> {
    pub(crate) fn new(checkpoint: Option<&'a str>) -> Self {
        Self {
            checkpoint,
            // Only who has been told of a node can want to know that it is gone. The flag
            // was text in all clients.
            include_purged: checkpoint.map(|_| "true"),
        }
    }
}

/// What a reply says of why it is no success. All of it may be missing: there are bodies
/// of JSON with and without a code, of XML, and none at all.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) code: String,
    /// The node in the way.
    pub(crate) node_id: Option<String>,
    pub(crate) request_id: Option<String>,
}

impl Refusal {
    pub(crate) fn parse(body: &[u8], request_id: Option<&str>) -> Self {
        let mut refusal = Self::default();
        let read = lenient::object(body, &mut refusal);
        refusal.request_id = request_id.map(str::to_owned);
        if read.is_ok() {
            return refusal;
        }
        // S3 and the front end speak XML.
        let text = String::from_utf8_lossy(body);
        let inside = |tag: &str| {
            let (_, rest) = text.split_once(&format!("<{tag}>"))?;
            Some(rest.split_once("</")?.0.to_owned())
        };
        Self {
            message: inside("Message").unwrap_or_default(),
            code: inside("Code").unwrap_or_default(),
            node_id: None,
            request_id: refusal.request_id,
        }
    }
}

impl Instant {
    /// As the service writes times, with nine decimals; `None` outside the years that have
    /// four digits.
    pub(crate) fn text(self) -> Option<String> {
        let (day, second) = (
            self.seconds.div_euclid(86_400),
            self.seconds.rem_euclid(86_400),
        );
        let (year, month, day) = date(day);
        if !(0..10_000).contains(&year) {
            return None;
        }
        let mut text = String::with_capacity(30);
        for (number, digits, after) in [
            (year, 4, '-'),
            (month, 2, '-'),
            (day, 2, 'T'),
            (second / 3600, 2, ':'),
            (second / 60 % 60, 2, ':'),
            (second % 60, 2, '.'),
            (self.nanoseconds.into(), 9, 'Z'),
        ] {
            for place in (0..digits).rev() {
                let digit = number / 10_i64.pow(place) % 10;
                text.push(char::from(b'0' + digit as u8));
            }
            text.push(after);
        }
        Some(text)
    }
}

impl<'de> Fields<'de> for Refusal {
    fn field(&mut self, key: &str, value: &mut dyn Value<'de>) -> Result<(), Error> {
        match key {
            "message" => self.message = value.text()?.unwrap_or_default().into_owned(),
            "code" => self.code = value.text()?.unwrap_or_default().into_owned(),
            "info" => self.node_id = value.object::<Info>()?.0,
            _ => {}
        }
        Ok(())
    }
}

/// What a refusal says of the node in the way.
#[derive(Default)]
struct Info(Option<String>);

impl<'de> Fields<'de> for Info {
    fn field(&mut self, key: &str, value: &mut dyn Value<'de>) -> Result<(), Error> {
        if key == "nodeId" {
            self.0 = value.text()?.map(Cow::into_owned);
        }
        Ok(())
    }
}

/// Reads `2015-03-17T16:04:05.123Z`, with any number of decimals.
pub(crate) fn instant(text: &str) -> Option<Instant> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(str::parse::<i64>);
    let mut part = || date.next()?.ok();
    let (year, month, day) = (part()?, part()?, part()?);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut clock = clock.split(':').map(str::parse::<i64>);
    let mut part = || clock.next()?.ok();
    let (hour, minute, second) = (part()?, part()?, part()?);
    let valid = (0..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second)
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !valid {
        return None;
    }
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    Some(Instant {
        seconds: days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second,
        nanoseconds: digits.parse().ok()?,
    })
}

/// Year, month and day so many days after 1970-01-01: [`days`] backwards.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let of_era_year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_year + of_era_year / 4 - of_era_year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + of_era_year + i64::from(month <= 2);
    (year, month, day)
}

/// Days from 1970-01-01 in the Gregorian calendar, counting years from March so that the
/// leap day is a year's last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_to_the_millisecond() {
        for (text, seconds, nanoseconds) in [
            ("1970-01-01T00:00:00.000Z", 0, 0),
            ("2015-03-17T16:04:05.123Z", 1_426_608_245, 123_000_000),
            ("2016-02-29T23:59:59Z", 1_456_790_399, 0),
            ("2000-03-01T00:00:00.5Z", 951_868_800, 500_000_000),
            ("1969-12-31T23:59:59.000Z", -1, 0),
        ] {
            let expected = Instant {
                seconds,
                nanoseconds,
            };
            assert_eq!(instant(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "2015-03-17",
            "2015-03-17T16:04:05",
            "2015-13-17T16:04:05Z",
            "x-1-1T0:0:0Z",
        ] {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_written_as_they_are_read() {
        let at = |seconds, nanoseconds| Instant {
            seconds,
            nanoseconds,
        };
        for (moment, text) in [
            (at(0, 0), "1970-01-01T00:00:00.000000000Z"),
            (at(-1, 999_999_999), "1969-12-31T23:59:59.999999999Z"),
            (at(1_456_790_399, 1), "2016-02-29T23:59:59.000000001Z"),
            (at(-62_167_219_200, 0), "0000-01-01T00:00:00.000000000Z"),
            (at(253_402_300_799, 0), "9999-12-31T23:59:59.000000000Z"),
        ] {
            assert_eq!(moment.text().as_deref(), Some(text));
            assert_eq!(instant(text), Some(moment));
        }
        for day in (-719_528_i64..2_932_897).step_by(13) {
            let moment = at(day * 86_400 + day.rem_euclid(86_400), 5);
            assert_eq!(instant(&moment.text().unwrap()), Some(moment), "{day}");
        }
        for seconds in [-62_167_219_201, 253_402_300_800, i64::MIN, i64::MAX] {
            assert_eq!(at(seconds, 0).text(), None, "{seconds}");
        }
    }

    #[test]
    fn odd_nodes_are_told() {
        let oddity = |fields: &str| {
            let text = format!(r#"{{"id":"i","parents":["p","q"],{fields}}}"#);
            let node: WireNode<'_> = WireNode::read(text.as_bytes()).unwrap();
            node.oddity(Some("p"))
        };
        for (fields, odd) in [
            (r#""name":"n","kind":"FILE","status":"AVAILABLE""#, None),
            (r#""name":"n","kind":"FOLDER","status":"AVAILABLE""#, None),
            (
                r#""name":"n","kind":"ASSET","status":"AVAILABLE""#,
                Some(Odd::Kind),
            ),
            (
                r#""name":"n","kind":"FILE","status":"TRASH""#,
                Some(Odd::NotAvailable),
            ),
            (
                r#""name":"n","kind":"FILE","status":"PENDING""#,
                Some(Odd::Pending),
            ),
            (r#""kind":"FILE","status":"AVAILABLE""#, Some(Odd::Nameless)),
            (
                r#""name":"","kind":"FILE","status":"AVAILABLE""#,
                Some(Odd::Nameless),
            ),
            (
                r#""isRoot":true,"kind":"FOLDER","status":"AVAILABLE""#,
                None,
            ),
        ] {
            assert_eq!(oddity(fields), odd, "{fields}");
        }
        let text = r#"{"id":"i","name":"n","kind":"FILE","status":"AVAILABLE","parents":["z"]}"#;
        let node: WireNode<'_> = WireNode::read(text.as_bytes()).unwrap();
        assert_eq!(node.oddity(Some("p")), Some(Odd::Elsewhere));
        assert_eq!(node.oddity(None), None);
    }

    #[test]
    fn content_that_is_missing_is_not_empty_content() {
        let read = |content: &str| {
            let text =
                format!(r#"{{"id":"i","name":"n","kind":"FILE","status":"AVAILABLE"{content}}}"#);
            let node: WireNode<'_> = WireNode::read(text.as_bytes()).unwrap();
            let node = node.into_node(Encoding::default());
            (node.size, node.md5)
        };
        assert_eq!(read(""), (None, None));
        assert_eq!(read(r#","contentProperties":{}"#), (None, None));
        assert_eq!(
            read(r#","contentProperties":{"size":0,"md5":"D41D8CD98F00B204E9800998ECF8427E"}"#),
            (Some(0), Some("d41d8cd98f00b204e9800998ecf8427e".to_owned()))
        );
    }

    #[test]
    fn refusals_are_read_in_all_their_shapes() {
        let parse = |body: &str| Refusal::parse(body.as_bytes(), None);
        let full = parse(
            r#"{"logref":"x","message":"m","code":"NAME_ALREADY_EXISTS","info":{"nodeId":"n"}}"#,
        );
        assert_eq!(full.code, "NAME_ALREADY_EXISTS");
        assert_eq!(full.node_id.as_deref(), Some("n"));
        assert_eq!(parse(r#"{"message":"m"}"#).message, "m");
        assert_eq!(parse(r#"{"message":null,"code":null}"#), Refusal::default());
        assert_eq!(parse(""), Refusal::default());
        assert_eq!(parse("<html>"), Refusal::default());
        let s3 = parse("<Error><Code>InvalidArgument</Code><Message>Only one</Message></Error>");
        assert_eq!(
            (s3.code.as_str(), s3.message.as_str()),
            ("InvalidArgument", "Only one")
        );
    }
}
