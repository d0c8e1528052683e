//! The contract's types to and from the flows' own. Every case is named: a new one does
//! not compile until it is.

use std::time::Duration;

use super::bindings::{
    exports::amazon_drive::backend::{
        drive, names as wit_names, policy as wit_policy, sync as wit_sync,
    },
    wasi::clocks::system_clock,
};
use crate::{
    account, changes, error, lookup, names, policy, read, service, sync, upload, walk, wire,
};

impl From<wit_names::Encoding> for names::Encoding {
    fn from(encoding: wit_names::Encoding) -> Self {
        Self::from_bits(encoding.bits())
    }
}

impl From<names::Encoding> for wit_names::Encoding {
    fn from(encoding: names::Encoding) -> Self {
        Self::from_bits_retain(encoding.bits())
    }
}

impl From<wit_policy::Budget> for policy::Budget {
    fn from(budget: wit_policy::Budget) -> Self {
        Self {
            attempts: budget.attempts,
            elapsed: Duration::from_nanos(budget.elapsed),
        }
    }
}

impl From<drive::Options> for service::Options {
    fn from(options: drive::Options) -> Self {
        Self {
            endpoint: options.endpoint,
            encoding: options.encoding.into(),
            budget: options.retry.into(),
            upload_wait_per_gb: Duration::from_nanos(options.upload_wait_per_gb),
            templink_threshold: options.templink_threshold,
            largest_file: options.largest_file,
        }
    }
}

impl From<drive::Target> for lookup::Target {
    fn from(target: drive::Target) -> Self {
        match target {
            drive::Target::Path(path) => Self::Path(path),
            drive::Target::Id(id) => Self::Id(id),
        }
    }
}

impl From<drive::ByteRange> for read::ByteRange {
    fn from(range: drive::ByteRange) -> Self {
        Self {
            start: range.start,
            length: range.length,
        }
    }
}

impl From<drive::WriteOptions> for upload::WriteOptions {
    fn from(options: drive::WriteOptions) -> Self {
        Self {
            size: options.size,
            existing: match options.existing {
                drive::Existing::Unknown => upload::Existing::Unknown,
                drive::Existing::Absent => upload::Existing::Absent,
                drive::Existing::Node(id) => upload::Existing::Node(id),
            },
            content_type: options.content_type,
            original_time: options.original_time.map(Into::into),
            idempotency_key: options.idempotency_key,
        }
    }
}

impl From<drive::ReadOptions> for read::ReadOptions {
    fn from(options: drive::ReadOptions) -> Self {
        Self {
            range: options.range.map(Into::into),
            size: options.size,
            md5: options.md5,
        }
    }
}

impl From<drive::Unconfirmed> for error::Unconfirmed {
    fn from(write: drive::Unconfirmed) -> Self {
        Self {
            place: match write.place {
                drive::UnconfirmedPlace::New(drive::NewPlace { parent, name }) => {
                    error::UnconfirmedPlace::New { parent, name }
                }
                drive::UnconfirmedPlace::Over(drive::OldVersion { id, version }) => {
                    error::UnconfirmedPlace::Over { id, version }
                }
            },
            size: write.size,
            detail: error::Detail {
                message: write.detail.message,
                status: write.detail.status,
                code: write.detail.code,
                request_id: write.detail.request_id,
            },
        }
    }
}

impl From<error::Unconfirmed> for drive::Unconfirmed {
    fn from(write: error::Unconfirmed) -> Self {
        Self {
            place: match write.place {
                error::UnconfirmedPlace::New { parent, name } => {
                    drive::UnconfirmedPlace::New(drive::NewPlace { parent, name })
                }
                error::UnconfirmedPlace::Over { id, version } => {
                    drive::UnconfirmedPlace::Over(drive::OldVersion { id, version })
                }
            },
            size: write.size,
            detail: write.detail.into(),
        }
    }
}

impl From<system_clock::Instant> for wire::Instant {
    fn from(instant: system_clock::Instant) -> Self {
        Self {
            seconds: instant.seconds,
            nanoseconds: instant.nanoseconds,
        }
    }
}

impl From<wire::Instant> for system_clock::Instant {
    fn from(instant: wire::Instant) -> Self {
        Self {
            seconds: instant.seconds,
            nanoseconds: instant.nanoseconds,
        }
    }
}

impl From<wire::Node> for drive::Node {
    #[inline(never)]
    fn from(node: wire::Node) -> Self {
        Self {
            id: node.id,
            name: node.name,
            kind: match node.kind {
                wire::Kind::File => drive::Kind::File,
                wire::Kind::Folder => drive::Kind::Folder,
            },
            size: node.size,
            md5: node.md5,
            content_type: node.content_type,
            created: node.created.into(),
            modified: node.modified.into(),
            original_time: node.original_time.map(Into::into),
            parents: node.parents,
            version: node.version,
        }
    }
}

impl From<walk::Found> for drive::Found {
    fn from(found: walk::Found) -> Self {
        Self {
            path: found.path,
            node: found.node.into(),
        }
    }
}

impl From<changes::ChangeSet> for drive::ChangeSet {
    fn from(set: changes::ChangeSet) -> Self {
        let changes = set.changes.into_iter().map(|change| drive::Change {
            state: match change.state {
                changes::State::Present => drive::NodeState::Present,
                changes::State::Trashed => drive::NodeState::Trashed,
                changes::State::Purged => drive::NodeState::Purged,
            },
            node: change.node.into(),
        });
        Self {
            checkpoint: set.checkpoint,
            reset: set.reset,
            changes: changes.collect(),
        }
    }
}

impl From<account::Account> for drive::Account {
    fn from(account: account::Account) -> Self {
        let amount = |amount: account::Amount| drive::Amount {
            bytes: amount.bytes,
            count: amount.count,
        };
        let usage = account.usage.into_iter().map(|usage| drive::Usage {
            category: usage.category,
            total: amount(usage.total),
            billable: amount(usage.billable),
        });
        Self {
            status: account.status,
            quota: account.quota,
            available: account.available,
            usage: usage.collect(),
        }
    }
}

impl From<error::Detail> for drive::Detail {
    fn from(detail: error::Detail) -> Self {
        Self {
            message: detail.message,
            status: detail.status,
            code: detail.code,
            request_id: detail.request_id,
        }
    }
}

impl From<error::Error> for drive::Error {
    // Each export would have its own copy.
    #[inline(never)]
    fn from(error: error::Error) -> Self {
        use error::Error as E;
        match error {
            E::NotFound(detail) => Self::NotFound(detail.into()),
            E::NameConflict { existing, detail } => Self::NameConflict(drive::Conflict {
                existing,
                detail: detail.into(),
            }),
            E::NotAFolder(detail) => Self::NotAFolder(detail.into()),
            E::NotAFile(detail) => Self::NotAFile(detail.into()),
            E::InvalidArgument(detail) => Self::InvalidArgument(detail.into()),
            E::Unauthenticated(detail) => Self::Unauthenticated(detail.into()),
            E::Forbidden(detail) => Self::Forbidden(detail.into()),
            E::QuotaExceeded(detail) => Self::QuotaExceeded(detail.into()),
            E::EgressDenied(detail) => Self::EgressDenied(detail.into()),
            E::Throttled(detail) => Self::Throttled(detail.into()),
            E::Unavailable(detail) => Self::Unavailable(detail.into()),
            E::Interrupted(detail) => Self::Interrupted(detail.into()),
            E::OutcomeUnknown(write) => Self::OutcomeUnknown((*write).into()),
            E::FileTooLarge(detail) => Self::FileTooLarge(detail.into()),
            E::Changed(detail) => Self::Changed(detail.into()),
            E::Protocol(detail) => Self::Protocol(detail.into()),
            E::Cancelled => Self::Cancelled,
            E::Other(text) => Self::Other(text),
        }
    }
}

impl From<wit_sync::Item> for sync::Item {
    fn from(item: wit_sync::Item) -> Self {
        Self {
            name: item.name,
            kind: match item.kind {
                wit_sync::Kind::File => sync::Kind::File,
                wit_sync::Kind::Folder => sync::Kind::Folder,
            },
            size: item.size,
            md5: item.md5,
        }
    }
}

impl From<wit_sync::NameRule> for sync::NameRule {
    fn from(rule: wit_sync::NameRule) -> Self {
        match rule {
            wit_sync::NameRule::Exact => Self::Exact,
            wit_sync::NameRule::IgnoreCase => Self::IgnoreCase,
        }
    }
}

impl From<wit_sync::Options> for sync::Options {
    fn from(options: wit_sync::Options) -> Self {
        Self {
            destination_names: options.destination_names.into(),
            remove_extra: options.remove_extra,
            clashes: options.clashes.into(),
        }
    }
}

impl From<wit_sync::Clashes> for sync::Clashes {
    fn from(clashes: wit_sync::Clashes) -> Self {
        match clashes {
            wit_sync::Clashes::Fail => Self::Fail,
            wit_sync::Clashes::Skip => Self::Skip,
            wit_sync::Clashes::Rename => Self::Rename,
        }
    }
}

impl From<sync::Decision> for wit_sync::Decision {
    fn from(decision: sync::Decision) -> Self {
        use sync::Action as A;
        use wit_sync::Action as W;
        Self {
            action: match decision.action {
                A::Skip => W::Skip,
                A::Compare => W::Compare,
                A::Create => W::Create,
                A::Overwrite => W::Overwrite,
                A::MakeFolder => W::MakeFolder,
                A::Descend => W::Descend,
                A::Remove => W::Remove,
                A::Keep => W::Keep,
                A::KindConflict => W::KindConflict,
                A::NameClash => W::NameClash,
                A::LeaveOut => W::LeaveOut,
                A::NotReady => W::NotReady,
            },
            source: decision.source,
            destination: decision.destination,
            winner: decision.winner,
            new_name: decision.new_name,
        }
    }
}
