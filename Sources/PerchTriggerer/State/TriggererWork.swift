// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// The next thing that the triggerer's state wants done. What goes to the metastore is answered later, and one of each
/// sort is under way at a time; what goes to a source is done at once.
enum TriggererWork {
    // To the metastore.
    case acquire(previousOwner: Int64?)
    /// And work out its share of the shards.
    case renew(owner: Int64, watched: Int)
    case readWaits(WaitsRequest)
    case readInbox(InboxRequest)
    /// To be made with the next event, in the transaction that stores it, and answered like any other.
    case standInbox(InboxRequest)
    /// Then the state is to be told, by `inboxWithdrawn`, whether that read is out of the metastore again.
    case withdrawInbox
    case commit(CommitGroup)

    // To the sources.
    case restartSources
    /// Its `pace` learns how long it took.
    case arm(ArraySlice<WaitToArm>, source: Int)
    /// Then the state is to be told, by `listens`, to which events each of them listens.
    case armInbox([WaitToArm])
    case disarm(waitID: Int64, source: Int)
    case lookBack(waitID: Int64, source: Int, InboxEvent)
    case offer(InboxEvent)
    /// Then the state is to be told, by `checkpointed`, which comes next.
    case checkpoint(waitID: Int64, source: Int, Timestamp)
    case probe(waitID: Int64, source: Int)
    /// What became of a claim.
    case settled(waitID: Int64, isFree: Bool)

    // To the log.
    case loaded(waits: Int, after: Int64)
    case shared(gained: Int, lost: Int)
    case caughtUp(waits: Int, after: Int64)
}

/// Which waits to read.
struct WaitsRequest: Sendable, Hashable {
    var generation: Int
    var shards: ShardSet
    var after: Int64
    /// Waits of shards that were gained are read up to this one; nil: all that there are.
    var upTo: Int64?
    var notedAfter: Int64
    var limit: Int
}

/// Waits as they were read, in one snapshot.
struct WaitsPage: Sendable {
    var waits: [WaitToArm]
    /// The last wait that was looked at, and whether there are no more.
    var last: Int64
    var isComplete: Bool
    /// Waits that others have ended or changed.
    var notes: [WaitNote]
}

/// What to read of the inbox, in one snapshot.
struct InboxRequest: Sendable, Hashable {
    /// The past of a name and key: events after `after`, up to and including `upTo`.
    struct LookBack: Sendable, Hashable {
        var name: String
        var key: String?
        var past = InboxInterest.Past.every
        var after: Int64
        /// Of the last one: only what was received at or before this instant.
        var receivedBy: Timestamp?
    }

    var generation: Int
    var lookBacks: [LookBack]
    var upTo: Int64
    var limit: Int
    var manner: Manner

    enum Manner: Sendable {
        /// Beside the writer; what is being committed may be missing.
        case snapshot
        /// Under the writer's lock, so that every event is there that was received before: a wait's deadline has passed.
        case barrier
        /// Like a barrier, when the next event is stored.
        case standing
    }
}

/// What was read of the inbox.
struct InboxPage: Sendable {
    /// For each look back: its events, ascending, and whether there are no more. One that was not made has no events and
    /// is not complete.
    var lookBacks: [(events: [InboxEvent], isComplete: Bool)]
    var tail: [InboxEvent]
    var isTailComplete: Bool
    var readAt: Timestamp
}

/// What is committed in one transaction.
struct CommitGroup: Sendable {
    var generation: Int
    var owner: Int64
    var firings: [Firing]
    /// The last note that was read before: a timeout of a wait that was changed since does not count.
    var noted: Int64
    var progress: [(waitID: Int64, progress: JSONValue)]
    var probes: [ProbeState]
    var forgetNotesUpTo: Int64?
    /// Shards of which nothing is under way any more.
    var releases: ShardSet
}
