// SPDX-License-Identifier: Apache-2.0

/// A wait as the triggerer hands it to the source of its kind.
public struct ArmedWait: Hashable, Sendable {
    /// The wait's own id, unique for ever.
    public var waitID: Int64
    public var kind: String
    public var target: String
    /// When a time wait is due.
    public var due: Timestamp?
    /// The trigger's coded fields, rendered.
    public var definition: JSONValue
    /// When the wait was registered.
    public var since: Timestamp
    /// What the source stored about the past: the baseline at registration, the progress since. Nil until it stored any.
    public var progress: JSONValue?
    /// Events with a `seq` up to and including this one are not for this wait.
    public var eventFloor: Int64
    /// Events that were received after this instant are not for this wait. The triggerer minds the deadline itself.
    public var deadline: Timestamp?

    /// A wait from its parts.
    public init(
        waitID: Int64, kind: String, target: String, due: Timestamp? = nil, definition: JSONValue = .object([:]),
        since: Timestamp, progress: JSONValue? = nil, eventFloor: Int64 = 0, deadline: Timestamp? = nil
    ) {
        self.deadline = deadline
        self.waitID = waitID
        self.kind = kind
        self.target = target
        self.due = due
        self.definition = definition
        self.since = since
        self.progress = progress
        self.eventFloor = eventFloor
    }
}

/// What a source tells the triggerer. All of it is buffered there and committed in groups.
public enum SourceReport: Hashable, Sendable {
    /// The wait is over; the payload is the coded event. The source has already forgotten the wait.
    case fired(waitID: Int64, payload: JSONValue)
    /// The wait can never fire (its definition cannot be read, …). The source has already forgotten the wait.
    case broken(waitID: Int64, message: String)
    /// The wait is over if the event of this `seq` is still nobody's: one event ends one of the waits that claim it. The
    /// source has already forgotten the wait, and is told by `InboxSource.settled` what became of it.
    case claimed(waitID: Int64, seq: Int64, payload: JSONValue)
    /// What must outlive a restart about this wait has changed.
    case progressed(waitID: Int64, progress: JSONValue)
    /// A probe gave an answer of another class than before, or a while has passed since the last report.
    case probed(ProbeState)
}

/// How the probe of one target stands.
public struct ProbeState: Hashable, Codable, Sendable {
    public var kind: String
    public var target: String
    public var lastProbeAt: Timestamp?
    public var nextProbeAt: Timestamp?
    /// The last answer in a few words: `absent`, `200, condition not met`, `timed out after 10 s`, ….
    public var lastResult: String
    /// Probes made since the probe began.
    public var probes: Int64

    /// The state of a probe from its parts.
    public init(
        kind: String, target: String, lastProbeAt: Timestamp? = nil, nextProbeAt: Timestamp? = nil,
        lastResult: String = "", probes: Int64 = 0
    ) {
        self.kind = kind
        self.target = target
        self.lastProbeAt = lastProbeAt
        self.nextProbeAt = nextProbeAt
        self.lastResult = lastResult
        self.probes = probes
    }
}

/// What a source says about one wait at this moment.
public struct WaitExplanation: Hashable, Codable, Sendable {
    /// Whole sentences for people: what is watched, how, what was last seen, what comes next.
    public var sentences: [String]
    /// The probe, where the kind makes any.
    public var probe: ProbeState?
    /// How many waits share the probe or watch, this one included.
    public var sharing: Int

    /// An explanation from its parts.
    public init(sentences: [String], probe: ProbeState? = nil, sharing: Int = 1) {
        self.sentences = sentences
        self.probe = probe
        self.sharing = sharing
    }
}

/// Watches all waits of some kinds. Lives on the reactor's thread and is never touched from another; it may not block.
///
/// A source is made with the event loop that it uses and with a closure that takes its reports. It owns its waits:
/// those of the same target share one probe, each keeps its own condition.
public protocol TriggerSource: AnyObject {
    /// The kinds of waits that this source watches.
    var kinds: [String] { get }
    /// Begins to watch. A wait that is already true may be reported before this returns.
    func add(_ waits: [ArmedWait])
    /// Forgets a wait; unknown ids are ignored, for a fire and a cancel may cross.
    func remove(_ waitID: Int64)
    /// What there is to say about a wait; nil if it is unknown here.
    func explain(_ waitID: Int64) -> WaitExplanation?
    /// One probe for the wait at once, out of its period, before an overdue timeout is applied after an outage. Calls
    /// `done` when the answer is in (after a report, if the wait fired). Kinds without probes call `done` at once.
    func probeNow(_ waitID: Int64, done: @escaping () -> Void)
    /// How many probes, watches and connections are held, by name, for tests and metrics.
    var gauges: [(name: String, value: Int)] { get }
    /// Closes every descriptor.
    func shutDown()
}

extension TriggerSource {
    /// Kinds without probes have nothing to ask.
    public func probeNow(_ waitID: Int64, done: @escaping () -> Void) { done() }
}

/// An external event from the durable inbox.
public struct InboxEvent: Hashable, Sendable {
    /// The place of the event in the order of commits.
    public var seq: Int64
    public var eventID: String
    public var name: String
    public var key: String?
    public var payload: JSONValue
    public var receivedAt: Timestamp

    /// An event from its parts.
    public init(
        seq: Int64, eventID: String, name: String, key: String? = nil, payload: JSONValue = .null, receivedAt: Timestamp
    ) {
        self.seq = seq
        self.eventID = eventID
        self.name = name
        self.key = key
        self.payload = payload
        self.receivedAt = receivedAt
    }

    /// The param of a run that holds the event by which it was started, as a wait would give it.
    public static let startingParam = "event"

    /// The param that holds all of them, where events were gathered.
    public static let gatheredParam = "events"

    /// What a wait for it gives.
    public var value: JSONValue {
        var fields: [String: JSONValue] = [
            "event_id": .string(eventID), "seq": .integer(seq), "name": .string(name), "payload": payload,
            "received_at": .integer(receivedAt.microseconds),
        ]
        if let key { fields["key"] = .string(key) }
        return .object(fields)
    }
}

/// A source whose waits are decided by the inbox. The triggerer reads the inbox for it: it feeds the tail as it grows,
/// and looks back for a wait that has just been armed.
public protocol InboxSource: TriggerSource {
    /// What a wait wants of the inbox; nil if the wait is unknown here.
    func interest(of waitID: Int64) -> InboxInterest?
    /// Matches events, in `seq` order, against every wait. Matching is idempotent: an event at or below a wait's floor,
    /// or for a wait that is gone, is ignored.
    func offer(_ events: [InboxEvent])
    /// The waits, so many at most, that an event would end by itself, giving them its `value`; nothing changes here. Their
    /// fires are stored together with the event, where it turns out to be the next one; those that are not named are
    /// fired when it is offered.
    func waitsEnded(by event: InboxEvent, atMost limit: Int) -> [Int64]
    /// Matches events from the past against one wait that has just been armed.
    func lookBack(_ waitID: Int64, _ events: [InboxEvent])
    /// The checkpoint of a wait has come: every event that was received at or before it has been offered.
    func reached(_ waitID: Int64, _ checkpoint: Timestamp)
    /// What a wait has claimed is decided. `isFree`: the wait was gone, and the event is still nobody's.
    func settled(_ waitID: Int64, isFree: Bool)
}

extension InboxSource {
    /// Nothing is done at checkpoints by those that name none.
    public func reached(_ waitID: Int64, _ checkpoint: Timestamp) {}
    /// Where more than the event decides, it has to be offered.
    public func waitsEnded(by event: InboxEvent, atMost limit: Int) -> [Int64] { [] }
    /// Those that claim nothing are told nothing.
    public func settled(_ waitID: Int64, isFree: Bool) {}
}

/// What a wait wants of the inbox.
public struct InboxInterest: Hashable, Sendable {
    /// Which events of the past a wait is offered.
    public enum Past: Hashable, Sendable {
        /// All that it may see.
        case every
        /// The last one that was received at or before its deadline.
        case latest
        /// Those that no wait has taken for itself.
        case unclaimed
    }

    /// An event's name and key; a nil key stands for any.
    public struct Address: Hashable, Sendable {
        public var name: String
        public var key: String?
        /// Which events of the past are wanted.
        public var past: Past

        /// An address from its parts.
        public init(name: String, key: String? = nil, past: Past = .every) {
            self.name = name
            self.key = key
            self.past = past
        }
    }

    /// What it listens to; none where nothing of the inbox concerns it any more.
    public var addresses: [Address]
    /// The instant of which it wants to know that no event from before it is missing.
    public var checkpoint: Timestamp?

    /// An interest from its parts.
    public init(addresses: [Address], checkpoint: Timestamp? = nil) {
        self.addresses = addresses
        self.checkpoint = checkpoint
    }
}
