// SPDX-License-Identifier: Apache-2.0

import Foundation
public import PerchSDK

/// Coded values as they stand in the metastore: JSON on one line with sorted keys, so that equal values have equal texts.
enum StoredJSON {
    static func encode(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from text: String) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(text.utf8))
        } catch {
            throw PerchError(.metastore, "the metastore holds a \(type) that cannot be read", cause: error)
        }
    }
}

extension StoredJSON {
    /// `{"event": …}`, `{"timeout": true}`, `{"cancelled": {…}}` or `{"broken": "…"}`: written and read by hand, for it is
    /// the one coded value on the path of every fire, and the bundle protocol shows it to other languages.
    static func text(of outcome: WaitOutcome, payload: String?) -> String {
        guard let payload else { return outcome.json.text }
        return "{\"event\":" + payload + "}"
    }

    /// The stored form of a trigger without a due instant, as `encode` writes it. `definition` is JSON text already.
    static func triggerText(kind: String, target: String, definition: String?) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(64 + kind.utf8.count + target.utf8.count + (definition?.utf8.count ?? 0))
        bytes.append(contentsOf: "{\"definition\":".utf8)
        bytes.append(contentsOf: (definition ?? "{}").utf8)
        bytes.append(contentsOf: ",\"kind\":".utf8)
        JSONValue.append(kind, to: &bytes)
        bytes.append(contentsOf: ",\"target\":".utf8)
        JSONValue.append(target, to: &bytes)
        bytes.append(UInt8(ascii: "}"))
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension WaitOutcome {
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
