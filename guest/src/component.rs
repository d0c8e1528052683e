//! The one module that knows the WIT bindings.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, unused)]

mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "backend", generate_all });
    use super::Component;
    export!(Component);
}

use bindings::exports::amazon_drive::backend::{drive, names, policy, sync};
use wit_bindgen::rt::async_support::{FutureReader, StreamReader};

struct Component;
struct Remote;

impl names::Guest for Component {
    fn parse(text: String) -> Result<names::Encoding, String> { Ok(names::Encoding::empty()) }
    fn format(encoding: names::Encoding) -> String { String::new() }
    fn encode(names: Vec<Vec<u8>>, encoding: names::Encoding) -> Vec<String> { Vec::new() }
    fn decode(names: Vec<String>, encoding: names::Encoding) -> Vec<Vec<u8>> { Vec::new() }
    fn display(names: Vec<Vec<u8>>) -> Vec<String> { Vec::new() }
    fn from_display(names: Vec<Vec<u8>>) -> Vec<Vec<u8>> { Vec::new() }
}
impl policy::Guest for Component {
    fn classify(outcome: policy::Outcome) -> policy::Class { policy::Class::GiveUp }
    fn next_wait(state: policy::State, budget: policy::Budget, retry_after: Option<u64>, random: u64) -> Option<u64> { None }
}
impl sync::Guest for Component {
    fn match_keys(names: Vec<Vec<u8>>, rule: sync::NameRule) -> Vec<Vec<u8>> { Vec::new() }
    fn plan(source: Vec<sync::Item>, destination: Vec<sync::Item>, options: sync::Options) -> Vec<sync::Decision> { Vec::new() }
    fn same_content(a: sync::Item, b: sync::Item) -> bool { false }
}
impl drive::Guest for Component { type Remote = Remote; }
impl drive::GuestRemote for Remote {
    async fn connect(options: drive::Options, cancel: FutureReader<bool>) -> Result<drive::Remote, drive::Error> { Err(drive::Error::Other("not yet".into())) }
    fn root(&self) -> String { String::new() }
}
