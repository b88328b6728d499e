// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// What a task receives whose wait was fired by hand without an event: as near to the real one as can be made up.
enum HandMadeEvent {
    /// - Throws: `PerchError` (`invalid`) for a kind whose event nobody can make up.
    static func of(_ wait: WaitRow, now: Timestamp) throws -> JSONValue {
        switch wait.kind {
        case "time": return .null
        default:
            throw PerchError(.invalid, "what is the event of a '\(wait.kind)' wait? Give it with --payload")
        }
    }
}
