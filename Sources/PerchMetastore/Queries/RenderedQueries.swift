// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

extension Snapshot {
    /// What the templates of a try have become: those of what is waited for before its code, as the wait was registered, and those
    /// of its operator, as the code filled them in last. Empty where there are none, or none was filled in yet.
    package func renderedFields(
        of instance: TaskInstanceRow, task: TaskDefinition, tryNumber: Int
    ) throws -> [RenderedText] {
        let wait: (key: String, prefix: String)? =
            if case .sensor = task.kind {
                (Transaction.sensorJournalKey, "")
            } else if task.start != nil {
                (StartDefinition.journalKey, "start.")
            } else {
                nil
            }
        var fields: [RenderedText] = []
        if let wait, let trigger = try trigger(of: instance.taskInstanceID, tryNumber, wait.key) {
            // What its name says is secret is not shown, as with an operator's.
            fields = trigger.templateFields(wait.prefix).map { field in
                let isHidden = SensitiveName.holds(field.name) && !field.text.isEmpty
                return RenderedText(name: field.name, text: isHidden ? "***" : field.text)
            }
        }
        return fields
            + (try rows(
                """
                SELECT name, value FROM rendered_field WHERE ti_id = :1 AND try_number = :2 ORDER BY position, name
                """, instance.taskInstanceID, tryNumber
            ) { RenderedText(name: $0.text(0), text: $0.text(1)) })
    }

    /// What a wait of a try is for: it stands in the journal, and that of a sensor under way in the wait's own row.
    private func trigger(of id: Int64, _ tryNumber: Int, _ key: String) throws -> TriggerSpec? {
        let recorded = try first(
            "SELECT payload FROM journal WHERE ti_id = :1 AND try_number = :2 AND key = :3 AND kind = 'wait'", id,
            tryNumber, key
        ) { $0.text(0) }
        if let recorded { return try TriggerSpec(json: JSONValue(parsingEnvelope: recorded)) }
        return try first(
            """
            SELECT kind, target, due_at, definition FROM wait
            WHERE ti_id = :1 AND try_number = :2 AND journal_key = :3
            """, id, tryNumber, key
        ) { row in
            TriggerSpec(
                kind: row.text(0), target: row.text(1),
                due: row.optionalTime(2).map { .at($0.description) },
                definition: try row.optionalText(3).map { try JSONValue(parsingEnvelope: $0) } ?? .object([:]))
        }
    }
}
