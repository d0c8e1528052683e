//! The contract's generated types to and from this module's own. Every case is named: a
//! new one in `wit/` does not compile until it is.

use std::time::{Duration, SystemTime};

use wasmtime_wasi::p3::bindings::clocks::system_clock::Instant;

use super::{
    Account, Action, Amount, Budget, ByteRange, Change, ChangeSet, Clashes, Decision, Detail,
    Error, Existing, Found, Item, Kind, NameRule, Node, PlanOptions, ReadOptions, RemoteOptions,
    Target, Unconfirmed, Usage, WriteOptions,
    bindings::{drive, policy, sync},
    types::UnconfirmedPlace,
};

impl From<RemoteOptions> for drive::Options {
    fn from(options: RemoteOptions) -> Self {
        Self {
            endpoint: options.endpoint,
            encoding: options.encoding.0,
            retry: options.retry.into(),
            upload_wait_per_gb: nanos(options.upload_wait_per_gb),
            templink_threshold: options.templink_threshold,
            largest_file: options.largest_file,
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl From<Budget> for policy::Budget {
    fn from(budget: Budget) -> Self {
        Self {
            attempts: budget.attempts,
            elapsed: nanos(budget.elapsed),
        }
    }
}

impl From<Target> for drive::Target {
    fn from(target: Target) -> Self {
        match target {
            Target::Path(path) => Self::Path(path),
            Target::Id(id) => Self::Id(id),
        }
    }
}

impl From<ByteRange> for drive::ByteRange {
    fn from(range: ByteRange) -> Self {
        Self {
            start: range.start,
            length: range.length,
        }
    }
}

impl From<WriteOptions> for drive::WriteOptions {
    fn from(options: WriteOptions) -> Self {
        Self {
            size: options.size,
            existing: match options.existing {
                Existing::Unknown => drive::Existing::Unknown,
                Existing::Absent => drive::Existing::Absent,
                Existing::Node(id) => drive::Existing::Node(id),
            },
            content_type: options.content_type,
            original_time: options.original_time.map(instant),
            idempotency_key: options.idempotency_key,
        }
    }
}

impl From<ReadOptions> for drive::ReadOptions {
    fn from(options: ReadOptions) -> Self {
        Self {
            range: options.range.map(Into::into),
            size: options.size,
            md5: options.md5,
        }
    }
}

impl From<Unconfirmed> for drive::Unconfirmed {
    fn from(write: Unconfirmed) -> Self {
        Self {
            place: match write.place {
                UnconfirmedPlace::New { parent, name } => {
                    drive::UnconfirmedPlace::New(drive::NewPlace { parent, name })
                }
                UnconfirmedPlace::Over { id, version } => {
                    drive::UnconfirmedPlace::Over(drive::OldVersion { id, version })
                }
            },
            size: write.size,
            detail: drive::Detail {
                message: write.detail.message,
                status: write.detail.status,
                code: write.detail.code,
                request_id: write.detail.request_id,
            },
        }
    }
}

impl From<drive::Unconfirmed> for Unconfirmed {
    fn from(write: drive::Unconfirmed) -> Self {
        Self {
            place: match write.place {
                drive::UnconfirmedPlace::New(drive::NewPlace { parent, name }) => {
                    UnconfirmedPlace::New { parent, name }
                }
                drive::UnconfirmedPlace::Over(drive::OldVersion { id, version }) => {
                    UnconfirmedPlace::Over { id, version }
                }
            },
            size: write.size,
            detail: write.detail.into(),
        }
    }
}

impl From<drive::Node> for Node {
    fn from(node: drive::Node) -> Self {
        Self {
            id: node.id,
            name: node.name,
            kind: match node.kind {
                drive::Kind::File => Kind::File,
                drive::Kind::Folder => Kind::Folder,
            },
            size: node.size,
            md5: node.md5.map(|md5| md5.to_ascii_lowercase()),
            content_type: node.content_type,
            created: time(&node.created),
            modified: time(&node.modified),
            original_time: node.original_time.as_ref().map(time),
            parents: node.parents,
            version: node.version,
        }
    }
}

impl From<drive::Found> for Found {
    fn from(found: drive::Found) -> Self {
        Self {
            path: found.path,
            node: found.node.into(),
        }
    }
}

impl From<drive::ChangeSet> for ChangeSet {
    fn from(set: drive::ChangeSet) -> Self {
        let changes = set.changes.into_iter().map(|change| match change.state {
            drive::NodeState::Present => Change::Present(change.node.into()),
            drive::NodeState::Trashed => Change::Trashed(change.node.into()),
            drive::NodeState::Purged => Change::Purged(change.node.id),
        });
        Self {
            checkpoint: set.checkpoint,
            reset: set.reset,
            changes: changes.collect(),
        }
    }
}

impl From<drive::Account> for Account {
    fn from(account: drive::Account) -> Self {
        let amount = |amount: drive::Amount| Amount {
            bytes: amount.bytes,
            count: amount.count,
        };
        let usage = account.usage.into_iter().map(|usage| Usage {
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

/// A moment, or the nearest this system's clock can tell.
fn time(instant: &Instant) -> SystemTime {
    let seconds = Duration::from_secs(instant.seconds.unsigned_abs());
    let whole = if instant.seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    };
    whole
        .and_then(|time| time.checked_add(Duration::from_nanos(instant.nanoseconds.into())))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A moment as the contract has it.
pub(super) fn instant(time: SystemTime) -> Instant {
    let seconds = |whole: Duration| i64::try_from(whole.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => Instant {
            seconds: seconds(since),
            nanoseconds: since.subsec_nanos(),
        },
        Err(before) => {
            // Nanoseconds always count forward.
            let before = before.duration();
            let part = before.subsec_nanos();
            Instant {
                seconds: -seconds(before) - i64::from(part > 0),
                nanoseconds: if part > 0 { 1_000_000_000 - part } else { 0 },
            }
        }
    }
}

impl From<drive::Detail> for Detail {
    fn from(detail: drive::Detail) -> Self {
        Self {
            message: detail.message,
            status: detail.status,
            code: detail.code,
            request_id: detail.request_id,
        }
    }
}

impl From<drive::Error> for Error {
    fn from(error: drive::Error) -> Self {
        match error {
            drive::Error::NotFound(detail) => Self::NotFound(detail.into()),
            drive::Error::NameConflict(conflict) => Self::NameConflict {
                existing: conflict.existing,
                detail: conflict.detail.into(),
            },
            drive::Error::NotAFolder(detail) => Self::NotAFolder(detail.into()),
            drive::Error::NotAFile(detail) => Self::NotAFile(detail.into()),
            drive::Error::InvalidArgument(detail) => Self::InvalidArgument(detail.into()),
            drive::Error::Unauthenticated(detail) => Self::Unauthenticated(detail.into()),
            drive::Error::Forbidden(detail) => Self::Forbidden(detail.into()),
            drive::Error::QuotaExceeded(detail) => Self::QuotaExceeded(detail.into()),
            drive::Error::EgressDenied(detail) => Self::EgressDenied(detail.into()),
            drive::Error::Throttled(detail) => Self::Throttled(detail.into()),
            drive::Error::Unavailable(detail) => Self::Unavailable(detail.into()),
            drive::Error::Interrupted(detail) => Self::Interrupted(detail.into()),
            drive::Error::OutcomeUnknown(write) => Self::OutcomeUnknown(Box::new(write.into())),
            drive::Error::FileTooLarge(detail) => Self::FileTooLarge(detail.into()),
            drive::Error::Changed(detail) => Self::Changed(detail.into()),
            drive::Error::Protocol(detail) => Self::Protocol(detail.into()),
            drive::Error::Cancelled => Self::Cancelled,
            drive::Error::Other(text) => Self::Other(text),
        }
    }
}

impl From<Item> for sync::Item {
    fn from(item: Item) -> Self {
        Self {
            name: item.name,
            kind: match item.kind {
                Kind::File => sync::Kind::File,
                Kind::Folder => sync::Kind::Folder,
            },
            size: item.size,
            md5: item.md5,
        }
    }
}

impl From<NameRule> for sync::NameRule {
    fn from(rule: NameRule) -> Self {
        match rule {
            NameRule::Exact => Self::Exact,
            NameRule::IgnoreCase => Self::IgnoreCase,
        }
    }
}

impl From<PlanOptions> for sync::Options {
    fn from(options: PlanOptions) -> Self {
        Self {
            destination_names: options.destination_names.into(),
            remove_extra: options.remove_extra,
            clashes: options.clashes.into(),
        }
    }
}

impl From<Clashes> for sync::Clashes {
    fn from(clashes: Clashes) -> Self {
        match clashes {
            Clashes::Fail => Self::Fail,
            Clashes::Skip => Self::Skip,
            Clashes::Rename => Self::Rename,
        }
    }
}

impl From<sync::Decision> for Decision {
    fn from(decision: sync::Decision) -> Self {
        Self {
            action: match decision.action {
                sync::Action::Skip => Action::Skip,
                sync::Action::Compare => Action::Compare,
                sync::Action::Create => Action::Create,
                sync::Action::Overwrite => Action::Overwrite,
                sync::Action::MakeFolder => Action::MakeFolder,
                sync::Action::Descend => Action::Descend,
                sync::Action::Remove => Action::Remove,
                sync::Action::Keep => Action::Keep,
                sync::Action::KindConflict => Action::KindConflict,
                sync::Action::NameClash => Action::NameClash,
                sync::Action::LeaveOut => Action::LeaveOut,
                sync::Action::NotReady => Action::NotReady,
            },
            source: decision.source,
            destination: decision.destination,
            winner: decision.winner,
            new_name: decision.new_name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_1970_and_beyond_the_clock_are_told() {
        let at = |seconds, nanoseconds| {
            time(&Instant {
                seconds,
                nanoseconds,
            })
        };
        let epoch = SystemTime::UNIX_EPOCH;
        assert_eq!(at(1, 500), epoch + Duration::new(1, 500));
        assert_eq!(at(-2, 0), epoch - Duration::from_secs(2));
        assert_eq!(
            at(-2, 1),
            epoch - Duration::from_secs(2) + Duration::from_nanos(1)
        );
        for (seconds, nanoseconds) in [(1, 500), (-2, 0), (-2, 1), (-1, 999_999_999), (0, 0)] {
            let there = Instant {
                seconds,
                nanoseconds,
            };
            let back = instant(time(&there));
            assert_eq!((back.seconds, back.nanoseconds), (seconds, nanoseconds));
        }
    }
}
