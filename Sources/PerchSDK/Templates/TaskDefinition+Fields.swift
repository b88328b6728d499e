// SPDX-License-Identifier: Apache-2.0

extension TaskDefinition {
    /// What of the definition may hold templates, by name: the trigger of a sensor, the first wait of a task, limits. The
    /// fields of an operator stand with its code.
    package var templateFields: [TemplateField] {
        var fields: [TemplateField] = []
        if case .sensor(let sensor) = kind {
            fields += sensor.trigger.templateFields("")
            if let params = sensor.startsRun { fields.add("params", params) }
        }
        if let start { fields += start.trigger.templateFields("start.") }
        for limit in limits where limit.holdsTemplates { fields.append(TemplateField("limit", limit.name)) }
        return fields
    }
}

extension TriggerSpec {
    /// The strings of a trigger, by name.
    package func templateFields(_ prefix: String) -> [TemplateField] {
        var fields = [TemplateField(prefix + "target", target)]
        if let due { fields.append(TemplateField(prefix + "due", due.description)) }
        guard case .object(let members) = definition else { return fields }
        for (name, value) in members.sorted(by: { $0.key < $1.key }) { fields.add(prefix + name, value) }
        return fields
    }
}
