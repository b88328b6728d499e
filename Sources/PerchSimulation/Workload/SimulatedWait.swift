// SPDX-License-Identifier: Apache-2.0

package import PerchSDK
internal import PerchTriggersComposite
internal import PerchTriggersEvent
internal import PerchTriggersFile
internal import PerchTriggersHTTP
internal import PerchTriggersTime

/// What a simulated task or sensor waits for, as data.
package indirect enum SimulatedWait: Codable, Hashable, Sendable {
    /// So long after the wait is registered.
    case after(TimeSpan)
    /// Until an instant, which may have passed.
    case at(Timestamp)
    /// An event of a name, and where given of a key.
    case event(name: String, key: String?)
    /// A file or a pattern.
    case file(path: String, stableFor: TimeSpan?, minimumSize: Int?)
    /// An answer with a status, asked for every so often.
    case http(url: String, every: TimeSpan, status: Int)
    /// At least so many of several.
    case atLeast(Int, [SimulatedWait])
    /// That something does not come within a time.
    case none(SimulatedWait, within: TimeSpan)

    /// The real trigger.
    var trigger: any Trigger {
        switch self {
        case .after(let span): TimeTrigger(.after(span))
        case .at(let instant): TimeTrigger(.at(instant.description))
        case .event(let name, let key): EventTrigger(name: name, key: key)
        case .file(let path, let stableFor, let minimumSize):
            FileTrigger(path: path, stableFor: stableFor, minimumSize: minimumSize)
        case .http(let url, let every, let status):
            HTTPTrigger(url: url, every: every, until: .status(status))
        case .atLeast(let count, let members): CompositeTrigger(atLeast: count, of: members.map(\.trigger))
        case .none(let member, let span): CompositeTrigger(none: member.trigger, within: span)
        }
    }

    /// The waits of which a composite is made; of every other wait, itself.
    var leaves: [SimulatedWait] {
        switch self {
        case .atLeast(_, let members): members.flatMap(\.leaves)
        case .none(let member, _): member.leaves
        case .after, .at, .event, .file, .http: [self]
        }
    }

    /// What an event by hand may hold so that the code can read it.
    package func handMadePayload(at instant: Timestamp) -> JSONValue {
        switch self {
        case .after, .at: Self.handMadePayload(kind: TimeTrigger.kind, target: "", at: instant)
        case .event(let name, let key):
            Self.handMadePayload(kind: EventTrigger.kind, target: key.map { "\(name)/\($0)" } ?? name, at: instant)
        case .file(let path, _, _): Self.handMadePayload(kind: FileTrigger.kind, target: path, at: instant)
        case .http(let url, _, _): Self.handMadePayload(kind: HTTPTrigger.kind, target: url, at: instant)
        case .atLeast, .none: Self.handMadePayload(kind: CompositeTrigger.kind, target: "", at: instant)
        }
    }

    /// What an event by hand may hold for a wait of a kind.
    package static func handMadePayload(kind: String, target: String, at instant: Timestamp) -> JSONValue {
        switch kind {
        case EventTrigger.kind:
            .object([
                "event_id": "by-hand", "seq": 0, "name": .string(target), "payload": "by hand",
                "received_at": .integer(instant.microseconds),
            ])
        case FileTrigger.kind:
            .object(["path": .string(target), "size": 1, "modified_at": .integer(instant.microseconds)])
        case HTTPTrigger.kind: .object(["status": 200, "headers": [:], "body": "by hand"])
        case CompositeTrigger.kind: .object(["met": .array([])])
        default: .object(["due_at": .integer(instant.microseconds)])
        }
    }
}
