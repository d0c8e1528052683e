//! All faults there are: the list that `--list-faults` and `docs/faults.md` show, and what
//! each makes of its parameters.

use http::StatusCode;

use super::{
    call::Scope,
    canned::{Canned, CannedBody, FAILED, PAGES, THROTTLED},
    conditions::Pattern,
    connection::How,
    effect::{Break, Budget, Effect, Odd, OddNodes, Remembered, When},
    parse::Values,
    values::Kind,
};
use crate::{
    api::{Origin, OtherAccount},
    ids,
};

/// A fault that can be switched on.
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) group: Group,
    /// One line: what the server does under this rule.
    pub(crate) summary: &'static str,
    /// The calls it applies to.
    pub(crate) scope: Scope,
    pub(crate) argument: Option<Parameter>,
    pub(crate) keys: &'static [Parameter],
    /// How often it applies if nothing is said; `None`: for ever.
    pub(crate) count: Option<u64>,
    /// What the real service did.
    pub(crate) service: &'static str,
    /// Where that is known from, and how surely.
    pub(crate) source: &'static str,
    /// A rule as one would write it, and what a client goes through under it.
    pub(crate) example: (&'static str, &'static str),
    pub(crate) make: fn(&Values) -> Effect,
}

/// The argument of a rule, or one of its own keys.
pub(crate) struct Parameter {
    /// Empty: the argument.
    pub(crate) key: &'static str,
    /// What stands for its value in a rule's form.
    pub(crate) placeholder: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: Option<&'static str>,
}

/// The parts of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Refusals,
    Accounts,
    Uploads,
    Listings,
    Downloads,
    Changes,
    Connections,
}

impl Group {
    pub(crate) const ALL: [Self; 7] = [
        Self::Refusals,
        Self::Accounts,
        Self::Uploads,
        Self::Listings,
        Self::Downloads,
        Self::Changes,
        Self::Connections,
    ];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Refusals => "Refusals",
            Self::Accounts => "Tokens and accounts",
            Self::Uploads => "Uploads",
            Self::Listings => "Listings",
            Self::Downloads => "Downloads",
            Self::Changes => "The changes feed",
            Self::Connections => "Connections",
        }
    }
}

impl Definition {
    /// `NAME[=ARGUMENT]`
    pub(crate) fn form(&self) -> String {
        match &self.argument {
            Some(argument) => format!("{}[={}]", self.name, argument.placeholder),
            None => self.name.to_owned(),
        }
    }
}

pub(crate) fn find(name: &str) -> Option<&'static Definition> {
    RULES.iter().find(|definition| definition.name == name)
}

/// The keys of every rule, and what they mean.
pub(crate) const COMMON_KEYS: &[(&str, &str)] = &[
    ("count=", "how often it applies; without it for ever"),
    ("after=", "how many matches are let pass first"),
    (
        "probability=",
        "the share of the others that it applies to, from 0 to 1",
    ),
    (
        "seed=",
        "a number: the same seed draws the same series; 0 if not given",
    ),
    ("method=", "only requests with this method"),
    (
        "path=",
        "only requests whose path has this in it or, with `*` or `?`, is like this as a whole",
    ),
    ("query=", "the same of the decoded query"),
    (
        "size=",
        "only requests with a body, or downloads of content, of exactly so many bytes",
    ),
    ("size>=", "the same, of so many bytes or more"),
];

const fn argument(
    placeholder: &'static str,
    meaning: &'static str,
    kind: Kind,
    default: &'static str,
) -> Option<Parameter> {
    Some(Parameter {
        key: "",
        placeholder,
        meaning,
        kind,
        default: Some(default),
    })
}

const RETRY_AFTER: Parameter = Parameter {
    key: "retry-after",
    placeholder: "SECONDS",
    meaning: "sent as `Retry-After`, in whole seconds; without it there is no such header",
    kind: Kind::Seconds,
    default: None,
};

const HOW: Parameter = Parameter {
    key: "how",
    placeholder: "close|reset",
    meaning: "whether the connection is closed, or reset (then the last bytes sent may not arrive)",
    kind: Kind::Word(&["close", "reset"]),
    default: Some("close"),
};

const PAUSE: Parameter = Parameter {
    key: "for",
    placeholder: "SECONDS",
    meaning: "how long nothing comes; then it goes on",
    kind: Kind::SecondsOr(&["ever"]),
    default: Some("ever"),
};

const LATE_KEYS: &[Parameter] = &[
    Parameter {
        key: "status",
        placeholder: "STATUS",
        meaning: "the status of the reply",
        kind: Kind::Word(&["400", "408", "500", "502", "503", "504"]),
        default: Some("504"),
    },
    Parameter {
        key: "body",
        placeholder: "SHAPE",
        meaning: "the body of the reply",
        kind: Kind::Word(FAILED),
        default: Some("empty"),
    },
];

const fn shape(default: &'static str) -> Option<Parameter> {
    argument(
        "SHAPE",
        "the body of the reply",
        Kind::Word(FAILED),
        default,
    )
}

fn retry_after(values: &Values) -> Option<u64> {
    // Whole seconds is all the header takes: rather later than too early.
    let time = values.time("retry-after")?;
    Some(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}

fn how(values: &Values) -> How {
    match values.word("how") {
        "reset" => How::Reset,
        _ => How::Close,
    }
}

fn late(values: &Values) -> Effect {
    let status = StatusCode::from_bytes(values.word("status").as_bytes());
    let status = status.unwrap_or(StatusCode::GATEWAY_TIMEOUT);
    Effect::Commit {
        when: match values.word("") {
            "now" => When::Now,
            "never" => When::Never,
            _ => When::After(values.milliseconds("")),
        },
        reply: Canned::failed(status, values.word("body")),
    }
}

fn odd(kind: Odd, values: &Values) -> Effect {
    Effect::OddNode(OddNodes {
        kind,
        name: values.text("").to_owned(),
        seed: ids::node_id(),
        listed: Remembered::default(),
    })
}

const WHEN: Option<Parameter> = argument(
    "WHEN",
    "when the file appears: now, never, or after so many seconds",
    Kind::SecondsOr(&["now", "never"]),
    "20",
);

const GIB_10: &str = "10GiB";

/// Every fault.
pub(crate) static RULES: &[Definition] = &[
    Definition {
        name: "429",
        group: Group::Refusals,
        summary: "refuses calls: too many of them",
        scope: Scope::Drive,
        argument: argument(
            "SHAPE",
            "the body of the reply",
            Kind::Word(THROTTLED),
            "logref",
        ),
        keys: &[RETRY_AFTER],
        count: None,
        service: "Throttled with five kinds of bodies, and for ever where it had blocked an app. No \
                  `Retry-After` is known of it.",
        source: "reference 9.4, 19 (log); `Retry-After`: no evidence",
        example: (
            "429,count=3,retry-after=7",
            "the first three calls are refused, and a client that reads the header stays quiet for 7 seconds",
        ),
        make: |values| Effect::Reply(Canned::throttled(values.word(""), retry_after(values))),
    },
    Definition {
        name: "rate-limit",
        group: Group::Refusals,
        summary: "refuses what exceeds a number of calls a second, with 429",
        scope: Scope::Drive,
        argument: argument("CALLS", "calls a second, and at once", Kind::Number, "10"),
        keys: &[RETRY_AFTER],
        count: None,
        service: "Had such a budget for each app; how large it was, it never said.",
        source: "reference 19 (limits unpublished)",
        example: (
            "rate-limit=10",
            "a client with 16 workers has to find out what it may do",
        ),
        make: |values| Effect::RateLimit {
            budget: Budget::new(values.number("")),
            reply: Canned::throttled("logref", retry_after(values)),
        },
    },
    Definition {
        name: "500",
        group: Group::Refusals,
        summary: "fails calls before anything was done",
        scope: Scope::Drive,
        argument: shape("message"),
        keys: &[],
        count: None,
        service: "Said \"Internal failure\" at random, on uploads as well.",
        source: "reference 18.3, 20 item 12 (log)",
        example: (
            "500,count=1,after=2,path=*/children",
            "the third page of folder listings fails: does a sync still delete in that folder?",
        ),
        make: |values| {
            Effect::Reply(Canned::failed(
                StatusCode::INTERNAL_SERVER_ERROR,
                values.word(""),
            ))
        },
    },
    Definition {
        name: "502",
        group: Group::Refusals,
        summary: "fails calls at the gateway",
        scope: Scope::Drive,
        argument: shape("empty"),
        keys: &[],
        count: None,
        service: "Gave this for big listings.",
        source: "reference 18.3 (log); the body is not known",
        example: ("502,count=2,path=/nodes", "listings fail twice"),
        make: |values| Effect::Reply(Canned::failed(StatusCode::BAD_GATEWAY, values.word(""))),
    },
    Definition {
        name: "503",
        group: Group::Refusals,
        summary: "is unavailable",
        scope: Scope::Drive,
        argument: shape("empty"),
        keys: &[],
        count: None,
        service: "Documented it as unavailable: try again later.",
        source: "reference 18.3 (doc); the body is not known",
        example: (
            "503,probability=0.1,seed=1",
            "every tenth call fails, and the same ones in each run",
        ),
        make: |values| {
            Effect::Reply(Canned::failed(
                StatusCode::SERVICE_UNAVAILABLE,
                values.word(""),
            ))
        },
    },
    Definition {
        name: "504",
        group: Group::Refusals,
        summary: "times out at the gateway before anything was done",
        scope: Scope::Drive,
        argument: shape("empty"),
        keys: &[],
        count: None,
        service: "Timed out on very large changes. (For uploads see `late-upload`.)",
        source: "reference 16.2, 18.3 (log)",
        example: (
            "504,count=2,path=/changes",
            "a full sync in one piece does not come through",
        ),
        make: |values| Effect::Reply(Canned::failed(StatusCode::GATEWAY_TIMEOUT, values.word(""))),
    },
    Definition {
        name: "gateway-page",
        group: Group::Refusals,
        summary: "answers with a page that is not JSON",
        scope: Scope::Everything,
        argument: argument("PAGE", "which markup", Kind::Word(PAGES), "html"),
        keys: &[Parameter {
            key: "status",
            placeholder: "STATUS",
            meaning: "the status of the reply",
            kind: Kind::Word(&["200", "500", "502", "503", "504"]),
            default: Some("503"),
        }],
        count: None,
        service: "Its front end spoke XML where the application was not reached. With status 200: the page of a \
                  network's login.",
        source: "reference 18.1 (log, of the XML); the texts are ours",
        example: (
            "gateway-page=html,count=1",
            "the error told to the user should not be one about JSON",
        ),
        make: |values| {
            let status = StatusCode::from_bytes(values.word("status").as_bytes());
            let status = status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            Effect::Reply(Canned::page(status, values.word("") == "html"))
        },
    },
    Definition {
        name: "403-credential",
        group: Group::Refusals,
        summary: "refuses calls with the gateway's words about a missing signature",
        scope: Scope::Drive,
        argument: None,
        keys: &[],
        count: None,
        service: "Did so at random, mostly right after a login; the same call went through when it was repeated.",
        source: "reference 18.4, rclone#472 (log, word for word)",
        example: (
            "403-credential,count=1",
            "a client that takes every 403 for final gives up at its first call",
        ),
        make: |_| {
            Effect::Reply(Canned::new(
                StatusCode::FORBIDDEN,
                CannedBody::Short(CREDENTIAL),
            ))
        },
    },
    Definition {
        name: "403-quota",
        group: Group::Refusals,
        summary: "refuses uploads: the account is full, or its plan has ended",
        scope: Scope::Uploads,
        argument: None,
        keys: &[],
        count: None,
        service: "Refused with `NO_ACTIVE_SUBSCRIPTION_FOUND`.",
        source: "reference 9.4, rclone#915 (log, word for word)",
        example: (
            "403-quota,size>=1MiB",
            "large files are refused and small ones are not: nothing is to be tried again",
        ),
        make: |_| {
            let body = CannedBody::Full {
                message: "File size exceeds account allowance.",
                code: "NO_ACTIVE_SUBSCRIPTION_FOUND",
            };
            Effect::Reply(Canned::new(StatusCode::FORBIDDEN, body))
        },
    },
    Definition {
        name: "401",
        group: Group::Accounts,
        summary: "refuses tokens that are good",
        scope: Scope::Drive,
        argument: argument(
            "SHAPE",
            "\"Token has expired\" with or without a log reference, or no body",
            Kind::Word(&["expired", "message", "empty"]),
            "expired",
        ),
        keys: &[],
        count: None,
        service: "Said so with all three bodies; a client is to refresh and to repeat once.",
        source: "reference 2.5, acd_cli#328, #544 (log)",
        example: (
            "401,after=10,count=1",
            "the token ends in the middle of a walk",
        ),
        make: |values| {
            let body = match values.word("") {
                "message" => CannedBody::Short("Token has expired"),
                "empty" => CannedBody::Empty,
                _ => return Effect::Reply(Canned::expired()),
            };
            Effect::Reply(Canned::new(StatusCode::UNAUTHORIZED, body))
        },
    },
    Definition {
        name: "401-storm",
        group: Group::Accounts,
        summary: "refuses every token for a time, with an empty body",
        scope: Scope::Drive,
        argument: argument(
            "SECONDS",
            "how long, from the first call it applies to",
            Kind::Seconds,
            "60",
        ),
        keys: &[],
        count: Some(1),
        service: "Did so for days (2016-05-22, 2017-03-23), and healed by itself. `count=` is the number of storms.",
        source: "reference 18.6, acd_cli#328, #544 (log)",
        example: (
            "401-storm=60,after=5",
            "refreshing does not help: a client must neither refresh without end nor throw its login away",
        ),
        make: |values| Effect::Storm {
            lasts: values.milliseconds(""),
            ends: Remembered::default(),
            reply: Canned::new(StatusCode::UNAUTHORIZED, CannedBody::Empty),
        },
    },
    Definition {
        name: "short-tokens",
        group: Group::Accounts,
        summary: "gives out access tokens that end early",
        scope: Scope::Tokens,
        argument: argument("SECONDS", "the life of a token", Kind::Seconds, "5"),
        keys: &[],
        count: None,
        service: "Tokens lived 3600 seconds, so that this trouble took hours to show.",
        source: "reference 2.3 (seen in 5 clients)",
        example: (
            "short-tokens=5",
            "16 workers must not refresh 16 times, and uploads longer than a token must end well",
        ),
        make: |values| Effect::ShortTokens {
            lives: values.milliseconds(""),
            ends: Remembered::default(),
        },
    },
    Definition {
        name: "invalid-grant",
        group: Group::Accounts,
        summary: "refuses to refresh: the customer has taken the permission back",
        scope: Scope::Tokens,
        argument: None,
        keys: &[],
        count: None,
        service: "Refused so once the customer had removed the app.",
        source: "reference 2.3, rclone#427 (log, word for word)",
        example: (
            "invalid-grant",
            "the client should stop at once and ask for a login",
        ),
        make: |_| {
            let body = CannedBody::OAuth {
                error: "invalid_grant",
                description: "The request has an invalid grant parameter : refresh_token",
            };
            Effect::Reply(Canned::new(StatusCode::BAD_REQUEST, body))
        },
    },
    Definition {
        name: "account-swap",
        group: Group::Accounts,
        summary: "gives out tokens of another, empty account, which has another root",
        scope: Scope::Tokens,
        argument: None,
        keys: &[],
        count: None,
        service: "Was not to blame: a shared OAuth proxy handed out other people's tokens. What is written to the \
                  other account is in no data directory, and gone when the rule or the server is.",
        source: "acd_cli#549 (user reports)",
        example: (
            "account-swap,after=1",
            "the second refresh opens somebody else's drive: nothing may be read or written any more",
        ),
        make: |_| Effect::SwapAccount(OtherAccount::default()),
    },
    Definition {
        name: "late-upload",
        group: Group::Uploads,
        summary: "takes all bytes of a new file, then says it failed; the file appears now, late or never",
        scope: Scope::Creates,
        argument: WHEN,
        keys: LATE_KEYS,
        count: None,
        service: "Did so sometimes above 1 GiB and nearly always above 10 GiB; files turned up after minutes. Above \
                  some 49 GiB they never did. Until the file appears its name is free.",
        source: "reference 9.4, 20 items 1 and 4 (seen in 3 clients, log)",
        example: (
            "late-upload=20,count=1",
            "the loudest complaint: whoever just sends the file again sends it twice and gets a 409",
        ),
        make: late,
    },
    Definition {
        name: "late-overwrite",
        group: Group::Uploads,
        summary: "takes all bytes of an overwrite, then says it failed; the content appears now, late or never",
        scope: Scope::Overwrites,
        argument: WHEN,
        keys: LATE_KEYS,
        count: None,
        service: "As for uploads; acd_cli watched the version for ten minutes.",
        source: "reference 10, 20 item 1 (single source for overwrites)",
        example: (
            "late-overwrite=30",
            "with content of the same size: a client that compares sizes takes the old file for the new one",
        ),
        make: late,
    },
    Definition {
        name: "stale-overwrite",
        group: Group::Uploads,
        summary: "shows an overwritten file as it was before, by id and in listings",
        scope: Scope::Overwrites,
        argument: argument("SECONDS", "for how long", Kind::Seconds, "30"),
        keys: &[],
        count: None,
        service: "Listings lagged behind. Reads by id did not for names; for content, acd_cli saw old versions. The \
                  content itself is the new one at once.",
        source: "reference 10, 20 item 2 (single source)",
        example: (
            "stale-overwrite=30",
            "checking an upload against the node must not end with throwing the file away",
        ),
        make: |values| Effect::StaleOverwrite {
            lasts: values.milliseconds(""),
            shown: Remembered::default(),
        },
    },
    Definition {
        name: "401-mid-upload",
        group: Group::Uploads,
        summary: "ends the token in the middle of an upload's body",
        scope: Scope::Uploads,
        argument: argument(
            "BYTES",
            "of the request's body that are read first; a body that says it is smaller is left alone",
            Kind::Bytes,
            "64KiB",
        ),
        keys: &[],
        count: None,
        service: "Refused uploads of more than an hour whose token had ended.",
        source: "reference 2.5 (log; where in the body is not known)",
        example: (
            "401-mid-upload=1MiB,count=1",
            "the reply comes while the client still sends",
        ),
        make: |values| Effect::BreakRequest {
            after: values.number(""),
            by: Break::Reply(Canned::expired()),
        },
    },
    Definition {
        name: "401-after-upload",
        group: Group::Uploads,
        summary: "refuses the token when the whole body has been read; nothing is kept",
        scope: Scope::Uploads,
        argument: None,
        keys: &[],
        count: None,
        service: "Looked at the token at the end as well.",
        source: "reference 2.5, 9.4 (log)",
        example: (
            "401-after-upload,count=1",
            "hours of sending are lost: a client should refresh while it sends",
        ),
        make: |_| Effect::Commit {
            when: When::Never,
            reply: Canned::expired(),
        },
    },
    Definition {
        name: "409-before-body",
        group: Group::Uploads,
        summary: "says that the name is taken, by a node that nobody sees, before the content was read",
        scope: Scope::Creates,
        argument: None,
        keys: &[],
        count: None,
        service: "Did so where an interrupted upload had left a node behind, or listings lagged. (Where the name is \
                  really taken, this server says so before the content anyway.)",
        source: "reference 9.4, 20 item 6, rclone#893 (log)",
        example: (
            "409-before-body",
            "an early reply to a large upload, and an `info.nodeId` that cannot be read: no endless loop, please",
        ),
        make: |_| Effect::ConflictBeforeBody,
    },
    Definition {
        name: "409-after-body",
        group: Group::Uploads,
        summary: "says that a name is taken only when the whole content was read",
        scope: Scope::Creates,
        argument: None,
        keys: &[],
        count: None,
        service: "Did this as well.",
        source: "reference 9.4, rclone#1587 (log)",
        example: (
            "409-after-body",
            "uploading over an existing name costs the whole body each time: look first",
        ),
        make: |_| Effect::ConflictAfterBody,
    },
    Definition {
        name: "wrong-md5",
        group: Group::Uploads,
        summary: "says a wrong MD5",
        scope: Scope::Nodes,
        argument: argument(
            "WHERE",
            "in the reply to an upload, in nodes that are read or listed, in a download's ETag, or in all of them",
            Kind::Word(&["reply", "node", "etag", "all"]),
            "reply",
        ),
        keys: &[],
        count: None,
        service: "Is not known to have done so; users saw \"corrupted on transfer\" when a client compared with an \
                  older state.",
        source: "rclone#750, #559 (user reports)",
        example: (
            "wrong-md5=reply,count=1",
            "a client must notice, and must not remove the only copy for it",
        ),
        make: |values| {
            let place = values.word("");
            let at = |name| place == name || place == "all";
            Effect::WrongMd5 {
                reply: at("reply"),
                node: at("node"),
                etag: at("etag"),
            }
        },
    },
    Definition {
        name: "listing-lag",
        group: Group::Listings,
        summary: "leaves new nodes out of listings and filters for a time; by id they can be read",
        scope: Scope::Listings,
        argument: argument("SECONDS", "from their creation on", Kind::Seconds, "30"),
        keys: &[],
        count: None,
        service: "Was eventually consistent: clients waited up to 30 seconds after each write.",
        source: "reference 20 item 2 (seen in 4 clients)",
        example: (
            "listing-lag=30",
            "copying again right after copying gets 409s: ask for the node in `info.nodeId`, send nothing",
        ),
        make: |values| Effect::ListingLag(values.milliseconds("")),
    },
    Definition {
        name: "moved-twice",
        group: Group::Listings,
        summary: "lists what was moved in the old folder as well, for a time",
        scope: Scope::Moves,
        argument: argument("SECONDS", "from the move on", Kind::Seconds, "30"),
        keys: &[],
        count: None,
        service: "Its listings had moved nodes doubled.",
        source: "reference 20 item 2 (seen in 4 clients)",
        example: (
            "moved-twice=30",
            "a sync that sees the old place may trash the node, and with it the new one",
        ),
        make: |values| Effect::MovedTwice {
            lasts: values.milliseconds(""),
            moved: Remembered::default(),
        },
    },
    Definition {
        name: "name-filter-miss",
        group: Group::Listings,
        summary: "does not find nodes by a filter on their name",
        scope: Scope::Listings,
        argument: argument(
            "NAME",
            "the names that are not found, with `*` and `?`",
            Kind::Text,
            "*",
        ),
        keys: &[],
        count: None,
        service: "Its index of names was stale at times; listing the folder showed the node.",
        source: "reference 6.2, 20 items 2 and 7 (seen in 3 clients)",
        example: (
            "name-filter-miss=report.pdf",
            "a client that looks up by name and trusts it makes duplicate folders, or runs into 409s",
        ),
        make: |values| Effect::NameMiss(Pattern::new(values.text(""))),
    },
    Definition {
        name: "next-token-expired",
        group: Group::Listings,
        summary: "lets every nextToken expire at once",
        scope: Scope::LaterPages,
        argument: None,
        keys: &[],
        count: None,
        service: "Let them expire after ten minutes, and lost pages after a 429.",
        source: "reference 6.2, rclone#289 (log, word for word)",
        example: (
            "next-token-expired,after=3,count=1",
            "the fifth page cannot be had: start again, and list each node once",
        ),
        make: |_| {
            let body = CannedBody::Full {
                message: "Next token is expired",
                code: "",
            };
            Effect::Reply(Canned::new(StatusCode::BAD_REQUEST, body))
        },
    },
    Definition {
        name: "partial-pages",
        group: Group::Listings,
        summary: "gives fewer nodes than asked for, and a nextToken",
        scope: Scope::Listings,
        argument: argument("NODES", "of a page, at most", Kind::Number, "1"),
        keys: &[],
        count: None,
        service: "Gave pages short of the limit; only a missing nextToken is an end.",
        source: "reference 6.2 (seen in 6 clients)",
        example: (
            "partial-pages=1",
            "a client that takes a short page for the last one loses files",
        ),
        make: |values| Effect::PageLimit(values.number("")),
    },
    Definition {
        name: "empty-page",
        group: Group::Listings,
        summary: "puts a page without nodes, but with a nextToken, before a page",
        scope: Scope::Listings,
        argument: None,
        keys: &[],
        count: None,
        service: "Its documents said to go on until `data` is empty; its pages ended by a missing nextToken.",
        source: "reference 6.2 (doc against 6 clients)",
        example: (
            "empty-page,count=1",
            "a client that stops at an empty page sees an empty folder, and a sync may delete for it",
        ),
        make: |_| Effect::EmptyPage,
    },
    Definition {
        name: "pending-node",
        group: Group::Listings,
        summary: "lists a file of status PENDING, without contentProperties",
        scope: Scope::FolderListings,
        argument: argument("NAME", "its name", Kind::Text, "pending.bin"),
        keys: &[],
        count: None,
        service: "Left such nodes behind after uploads that broke off.",
        source: "reference 5.4, 20 item 6 (seen in 4 clients)",
        example: (
            "pending-node=video.mkv",
            "it has no size and no content: not an empty file",
        ),
        make: |values| odd(Odd::Pending, values),
    },
    Definition {
        name: "asset-node",
        group: Group::Listings,
        summary: "lists a node of kind ASSET",
        scope: Scope::FolderListings,
        argument: argument("NAME", "its name", Kind::Text, "thumbnail"),
        keys: &[],
        count: None,
        service: "Kept thumbnails and the like as nodes of this kind.",
        source: "reference 5.2, 7.3 (seen in 3 sources)",
        example: ("asset-node", "it is neither a file nor a folder"),
        make: |values| odd(Odd::Asset, values),
    },
    Definition {
        name: "bogus-parent",
        group: Group::Listings,
        summary: "lists a file whose parents are elsewhere",
        scope: Scope::FolderListings,
        argument: argument("NAME", "its name", Kind::Text, "elsewhere.txt"),
        keys: &[],
        count: None,
        service: "Listed nodes in folders they were not in.",
        source: "reference 20 item 3 (seen in 2 clients)",
        example: (
            "bogus-parent",
            "rclone dropped what does not name the folder among its parents",
        ),
        make: |values| odd(Odd::BogusParent, values),
    },
    Definition {
        name: "nameless-node",
        group: Group::Listings,
        summary: "lists a file without a name",
        scope: Scope::FolderListings,
        argument: None,
        keys: &[],
        count: None,
        service: "Had such nodes in the changes feed.",
        source: "reference 16.2, 20 item 11, node-clouddrive#40 (seen in 2 clients)",
        example: (
            "nameless-node",
            "clients crashed; such a node is to be passed over",
        ),
        make: |values| odd(Odd::Nameless, values),
    },
    Definition {
        name: "download-refused",
        group: Group::Downloads,
        summary: "refuses to give large content in one piece, with 400; ranges and tempLinks work",
        scope: Scope::Downloads,
        argument: argument(
            "BYTES",
            "the most it gives in one piece",
            Kind::Bytes,
            GIB_10,
        ),
        keys: &[],
        count: None,
        service: "Did so for a period above some 10 GiB.",
        source: "reference 11, 20 item 5, rclone#204 (seen in 2 clients); the message is ours",
        example: (
            "download-refused=1MiB",
            "a client has to use a tempLink or ranges above that",
        ),
        make: |values| {
            let body = CannedBody::Short("The content is too large to be downloaded");
            Effect::RefuseDownload {
                above: values.number(""),
                reply: Canned::new(StatusCode::BAD_REQUEST, body),
            }
        },
    },
    Definition {
        name: "download-redirect",
        group: Group::Downloads,
        summary: "sends downloads of large content to a second origin, which takes no Authorization header",
        scope: Scope::Downloads,
        argument: argument(
            "BYTES",
            "larger content than this is redirected",
            Kind::Bytes,
            GIB_10,
        ),
        keys: &[],
        count: None,
        service: "Redirected to pre-signed addresses of S3, and S3 refuses a second way to sign in. The second origin is \
                  another port of this server, speaks plain HTTP, and is there once it is needed. An address works \
                  for an hour.",
        source: "reference 11, rclone#204, #1501 (log, word for word)",
        example: (
            "download-redirect=0",
            "a client that keeps its Authorization header gets the XML error, and has shown its token to a stranger",
        ),
        make: |values| Effect::RedirectDownload {
            above: values.number(""),
            origin: Origin::default(),
        },
    },
    Definition {
        name: "corrupt-download",
        group: Group::Downloads,
        summary: "gives one wrong byte in a download; ETag and length are right",
        scope: Scope::Downloads,
        argument: argument(
            "OFFSET",
            "of the byte in the reply; a shorter reply is left alone",
            Kind::Bytes,
            "0",
        ),
        keys: &[],
        count: None,
        service: "Is not known to have done so.",
        source: "none: it is what an MD5 is for",
        example: (
            "corrupt-download=100,count=1",
            "the file must not get its final name before its MD5 is right",
        ),
        make: |values| Effect::CorruptDownload {
            at: values.number(""),
        },
    },
    Definition {
        name: "changes-duplicate",
        group: Group::Changes,
        summary: "sends every change set twice",
        scope: Scope::Changes,
        argument: None,
        keys: &[],
        count: None,
        service: "Delivered at least once.",
        source: "reference 16.2 (doc)",
        example: (
            "changes-duplicate",
            "applying a change twice must change nothing more",
        ),
        make: |_| Effect::ChangesDuplicate,
    },
    Definition {
        name: "changes-no-end",
        group: Group::Changes,
        summary: "leaves out `{\"end\":true}`",
        scope: Scope::Changes,
        argument: None,
        keys: &[],
        count: None,
        service: "Often broke off before it.",
        source: "reference 16.2, acd_cli#274, #400, #437 (log)",
        example: (
            "changes-no-end,count=1",
            "not the whole: go on from the last checkpoint, and say so",
        ),
        make: |_| Effect::ChangesNoEnd,
    },
    Definition {
        name: "changes-cut",
        group: Group::Changes,
        summary: "ends the connection in the middle of the changes",
        scope: Scope::Changes,
        argument: argument(
            "BYTES",
            "of the reply's body that are sent",
            Kind::Bytes,
            "1000",
        ),
        keys: &[HOW],
        count: None,
        service: "Broke off anywhere.",
        source: "reference 16.2, acd_cli#444, #488 (log)",
        example: (
            "changes-cut=5000,count=1",
            "what was read up to the last whole line counts, and no more",
        ),
        make: |values| Effect::BreakReply {
            after: values.number(""),
            by: Break::End(how(values)),
        },
    },
    Definition {
        name: "changes-reset",
        group: Group::Changes,
        summary: "forgets the checkpoint: everything comes again, and the first set says `reset`",
        scope: Scope::Changes,
        argument: None,
        keys: &[],
        count: None,
        service: "Could ask its clients to start over.",
        source: "reference 16.2 (doc of the iOS SDK)",
        example: (
            "changes-reset,count=1",
            "the old view goes when the new one is whole, and not before",
        ),
        make: |_| Effect::ChangesReset,
    },
    Definition {
        name: "latency",
        group: Group::Connections,
        summary: "waits before each reply",
        scope: Scope::Everything,
        argument: argument("SECONDS", "how long", Kind::Seconds, "100ms"),
        keys: &[],
        count: None,
        service: "Was far away: a tenth of a second a call, seconds for some.",
        source: "rclone#493, #1353 (user reports)",
        example: (
            "latency=100ms",
            "how long does a tree of 10,000 folders take?",
        ),
        make: |values| Effect::Latency(values.time("").unwrap_or_default()),
    },
    Definition {
        name: "connection-reset",
        group: Group::Connections,
        summary: "ends the connection instead of a reply, before or after the call was handled",
        scope: Scope::Everything,
        argument: argument(
            "WHEN",
            "`after`: what was asked for is done, and nobody hears of it",
            Kind::Word(&["before", "after"]),
            "before",
        ),
        keys: &[Parameter {
            default: Some("reset"),
            ..HOW
        }],
        count: None,
        service: "Connections broke now and then, as everywhere.",
        source: "reference 19 (network errors in rclone's retry set)",
        example: (
            "connection-reset=after,method=POST,path=/cdproxy/nodes,count=1",
            "the file is there: look before sending it again",
        ),
        make: |values| Effect::NoReply {
            handled: values.word("") == "after",
            how: how(values),
        },
    },
    Definition {
        name: "cut-reply",
        group: Group::Connections,
        summary: "ends the connection in the middle of a reply's body",
        scope: Scope::Everything,
        argument: argument(
            "BYTES",
            "of the body that are sent; a smaller body is left alone",
            Kind::Bytes,
            "0",
        ),
        keys: &[HOW],
        count: None,
        service: "Broke downloads off.",
        source: "rclone#2108 (user reports)",
        example: (
            "cut-reply=1MiB,path=*/content,count=1",
            "a download is to go on where it was, and never to leave half a file under its final name",
        ),
        make: |values| Effect::BreakReply {
            after: values.number(""),
            by: Break::End(how(values)),
        },
    },
    Definition {
        name: "cut-request",
        group: Group::Connections,
        summary: "ends the connection in the middle of a request's body; nothing is kept",
        scope: Scope::Everything,
        argument: argument(
            "BYTES",
            "of the body that are read first; a body that says it is smaller is left alone",
            Kind::Bytes,
            "64KiB",
        ),
        keys: &[HOW],
        count: None,
        service: "Dropped uploads that took hours.",
        source: "rclone#87, #497 (user reports)",
        example: (
            "cut-request=1MiB,count=1",
            "nothing was stored: sending again is right",
        ),
        make: |values| Effect::BreakRequest {
            after: values.number(""),
            by: Break::End(how(values)),
        },
    },
    Definition {
        name: "stall-reply",
        group: Group::Connections,
        summary: "sends nothing more in the middle of a reply's body, for a time or for ever",
        scope: Scope::Everything,
        argument: argument(
            "BYTES",
            "of the body that are sent first; a smaller body is left alone",
            Kind::Bytes,
            "0",
        ),
        keys: &[PAUSE],
        count: None,
        service: "Left transfers at 0 kB/s for hours.",
        source: "rclone#957 (user reports)",
        example: (
            "stall-reply=1MiB,path=*/content,count=1",
            "the client's idle timeout has to end it",
        ),
        make: |values| Effect::BreakReply {
            after: values.number(""),
            by: Break::Stall(values.time("for")),
        },
    },
    Definition {
        name: "stall-request",
        group: Group::Connections,
        summary: "reads nothing more in the middle of a request's body, for a time or for ever",
        scope: Scope::Everything,
        argument: argument(
            "BYTES",
            "of the body that are read first; a body that says it is smaller is left alone",
            Kind::Bytes,
            "64KiB",
        ),
        keys: &[PAUSE],
        count: None,
        service: "Left uploads at 0 kB/s for hours. (This server gives a silent upload up after five minutes.)",
        source: "rclone#957 (user reports)",
        example: (
            "stall-request=1MiB,for=20s,count=1",
            "sending blocks; is that told apart from a slow line?",
        ),
        make: |values| Effect::BreakRequest {
            after: values.number(""),
            by: Break::Stall(values.time("for")),
        },
    },
];

/// Word for word.
const CREDENTIAL: &str = "Authorization header requires 'Credential' parameter. Authorization header requires \
     'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header \
     requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=Bearer";

#[cfg(test)]
mod tests {
    use super::{super::parse, *};

    #[test]
    fn table_is_sound() {
        let mut names: Vec<_> = RULES.iter().map(|definition| definition.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len(), "a name comes twice");
        for definition in RULES {
            let name = definition.name;
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{name}"
            );
            parse::rule(1, name).unwrap();
            let rule = parse::rule(1, definition.example.0).unwrap();
            assert_eq!(rule.definition.name, name);
            for parameter in definition.argument.iter().chain(definition.keys) {
                let common = COMMON_KEYS.iter().map(|(key, _)| key.trim_end_matches('='));
                assert!(
                    !common.into_iter().any(|key| key == parameter.key),
                    "{name}"
                );
                if let Some(default) = parameter.default {
                    assert!(parameter.kind.read(default).is_some(), "{name}: {default}");
                }
            }
            for text in [definition.summary, definition.service, definition.source] {
                assert!(!text.is_empty() && !text.contains("  "), "{name}: {text}");
            }
        }
    }
}
