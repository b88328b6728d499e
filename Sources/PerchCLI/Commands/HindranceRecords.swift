// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// Reasons why something does not run as commands show them.
enum HindranceRecords {
    static func record(_ reason: Hindrance, _ more: [Record.Field] = []) -> Record {
        var record: Record = [
            "kind": .text(reason.kind.rawValue), "text": .text(reason.text), "fields": .value(.object(reason.fields)),
        ]
        record.fields += more
        return record
    }

    static func states(_ states: [(state: TaskState, count: Int)]) -> Document {
        var record: Record = [:]
        record.fields = states.map { Record.Field(name: $0.state.rawValue, value: .number($0.count)) }
        return .record(record)
    }

    /// `3 deferred, 10 success`.
    static func words(_ states: [(state: TaskState, count: Int)]) -> String {
        states.map { "\($0.count) \($0.state.rawValue)" }.joined(separator: ", ")
    }

    /// `load`, `load[3]`, `load[0], load[1] and 40 others`.
    static func names(_ group: RunExplanation.Group) -> String {
        let shown = group.count <= 4 ? group.tasks.count : 3
        let names = group.tasks.prefix(shown).map(name)
        let others = group.count - names.count
        return names.joined(separator: ", ") + (others > 0 ? " and \(others) \(others == 1 ? "other" : "others")" : "")
    }

    static func name(_ key: TaskInstanceKey) -> String {
        key.mapIndex < 0 ? key.taskID : "\(key.taskID)[\(key.mapIndex)]"
    }
}

extension Hindrance {
    /// Of a deferred task, what `deferred explain` says of its wait, the triggerer's word first.
    func explained(_ home: Home, _ metastore: Metastore) async throws -> Hindrance {
        guard kind == .deferred, case .integer(let waitID)? = fields["wait_id"] else { return self }
        let stored: StoredExplanation
        do {
            stored = try await metastore.read { try StoredExplanation(waitID, $0) }
        } catch let error as PerchError where error.code == .notFound {
            // It has fired since it was read: there is nothing more to say about it.
            return self
        }
        let explained = await ExplainedWait(stored, asking: ExplanationDesk(of: home).ask)
        let sentences = explained.sentences
        var reason = self
        reason.fields["explanation"] = .array(sentences.map { .string($0) })
        reason.fields["live"] = .bool(explained.live != nil)
        // When it is due has been said.
        let more = sentences.filter { !text.contains($0) }
        reason.text = ([text] + more).joined(separator: " ")
        return reason
    }
}
