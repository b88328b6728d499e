// SPDX-License-Identifier: Apache-2.0

extension TaskDefinition {
    /// What of the definition may hold templates, by name: the trigger of a sensor, the first wait of a task, limits. The
    /// fields of an operator stand with its code.
    package var templateFields: [TemplateField] {
        var fields: [TemplateField] = []
        if case .sensor(let sensor) = kind {
            fields.add("", sensor.trigger)
            if let params = sensor.startsRun { fields.add("params", params) }
        }
        if let start { fields.add("start.", start.trigger) }
        for limit in limits where limit.holdsTemplates { fields.append(TemplateField("limit", limit.name)) }
        return fields
    }
}

extension [TemplateField] {
    fileprivate mutating func add(_ prefix: String, _ trigger: TriggerSpec) {
        append(TemplateField(prefix + "target", trigger.target))
        if let due = trigger.due { append(TemplateField(prefix + "due", due.description)) }
        guard case .object(let members) = trigger.definition else { return }
        for (name, value) in members.sorted(by: { $0.key < $1.key }) { add(prefix + name, value) }
    }
}
