// SPDX-License-Identifier: Apache-2.0

/// Which run of a DAG is waited for.
public enum RunSelection: Hashable, Sendable {
    /// The run of the same logical date as the run that waits.
    case sameDate
    /// The run whose logical date lies so far from that of the run that waits: before it where this is negative.
    case shifted(by: TimeSpan)
    /// The run of this logical date: RFC 3339, a date, or a template that becomes one.
    case date(String)
    /// The run of this id; may be a template.
    case id(String)
    /// The next run that ends after the wait was registered, whatever its date.
    case next

    /// The run whose logical date lies so far from that of the run that waits: `.offset(.hours(-1))` is the one an hour
    /// before.
    public static func offset(_ duration: Duration) -> RunSelection { .shifted(by: TimeSpan(duration)) }
}

extension RunSelection: JSONConvertible {
    /// `{"offset": microseconds}`, `{"date": RFC 3339}`, `{"run_id": …}` or `{"next": true}`.
    public var json: JSONValue {
        switch self {
        case .sameDate: .object(["offset": .integer(0)])
        case .shifted(let span): .object(["offset": .integer(span.microseconds)])
        case .date(let text): .object(["date": .string(text)])
        case .id(let runID): .object(["run_id": .string(runID)])
        case .next: .object(["next": .bool(true)])
        }
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "the run of a run wait")
        if fields.members["date"] != nil {
            self = .date(try fields.string("date"))
        } else if fields.members["run_id"] != nil {
            self = .id(try fields.string("run_id"))
        } else if try fields.bool("next", default: false) {
            self = .next
        } else {
            let span = TimeSpan(microseconds: try fields.integer("offset"))
            self = span.microseconds == 0 ? .sameDate : .shifted(by: span)
        }
    }
}
