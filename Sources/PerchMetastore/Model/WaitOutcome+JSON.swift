// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension WaitOutcome {
    /// `event`, `timeout`, `cancelled` or `broken`.
    package var name: String {
        switch self {
        case .event: "event"
        case .timeout: "timeout"
        case .cancelled: "cancelled"
        case .broken: "broken"
        }
    }

    /// The outcome as it is journalled.
    public var json: JSONValue {
        switch self {
        case .event(let payload): .object(["event": payload])
        case .timeout: .object(["timeout": .bool(true)])
        case .cancelled(let intent):
            .object([
                "cancelled": .object([
                    "final_state": .string(intent.finalState.rawValue), "reason": .string(intent.reason),
                    "by": .string(intent.by),
                ])
            ])
        case .broken(let message): .object(["broken": .string(message)])
        }
    }

    /// Reads a journalled outcome.
    public init(json: JSONValue) throws {
        if let payload = json["event"] {
            self = .event(payload)
        } else if json["timeout"] != nil {
            self = .timeout
        } else if let cancelled = json["cancelled"], case .string(let name) = cancelled["final_state"],
            let state = TaskState(rawValue: name), case .string(let reason) = cancelled["reason"],
            case .string(let by) = cancelled["by"]
        {
            self = .cancelled(CancelIntent(finalState: state, reason: reason, by: by))
        } else if case .string(let message) = json["broken"] {
            self = .broken(message)
        } else {
            throw PerchError(.metastore, "a journalled outcome cannot be read: \(json.text)")
        }
    }
}
