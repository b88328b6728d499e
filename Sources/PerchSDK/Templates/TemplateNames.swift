// SPDX-License-Identifier: Apache-2.0

/// The names that a template may use. Whether one exists is known without a run; only what stands in the params is not.
enum TemplateNames {
    static let plain = [
        "ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz", "logical_date", "data_interval_start",
        "data_interval_end", "run_id", "try_number", "map_index", "task_instance_key_str", "test_mode",
    ]
    static let groups: [(name: String, members: [String])] = [
        ("dag", ["dag_id", "description", "tags"]),
        ("task", task),
        (
            "dag_run",
            ["run_id", "run_type", "logical_date", "data_interval_start", "data_interval_end", "conf", "dag_id"]
        ),
        ("ti", ["dag_id", "run_id", "try_number", "map_index"] + task),
        ("task_instance", ["dag_id", "run_id", "try_number", "map_index"] + task),
    ]
    private static let task = [
        "task_id", "operator", "task_group", "pool", "pool_slots", "queue", "priority_weight", "retries",
        "trigger_rule",
    ]
    /// Names with members of which nobody knows beforehand.
    static let open = ["params", "element", "triggering_asset_events"]

    /// What is wrong with a name, and what would be right; nil where nothing is.
    static func problem(of steps: [TemplateExpression.Step]) -> String? {
        guard case .member(let first)? = steps.first else { return "a name starts with a word" }
        if open.contains(first) { return nil }
        if TemplateReference.isReference(steps) { return TemplateReference.problem(of: steps) }
        if first.hasPrefix("prev_") {
            return """
                '\(first.shown())' is not here: another run may end while a task waits, and its template would change; \
                there are data_interval_start and data_interval_end of this run
                """
        }
        if plain.contains(first) {
            return steps.count == 1 ? nil : "'\(first)' has no members; it stands alone"
        }
        if let group = groups.first(where: { $0.name == first }) {
            guard steps.count > 1, case .member(let second) = steps[1], group.members.contains(second) else {
                let all = group.members.map { "\(first).\($0)" }.joined(separator: ", ")
                return "'\(text(of: steps).shown())' is unknown; there is \(all)"
            }
            if steps.count > 2, second != "conf", second != "tags" {
                return "'\(first).\(second)' has no members; it stands alone"
            }
            return nil
        }
        let known = plain + open + groups.map(\.name) + TemplateReference.roots
        let near = NearestName.of(first, among: known)
        let hint = near.map { "did you mean '\($0)'?" } ?? "there are \(known.joined(separator: ", "))"
        return "'\(first.shown())' is unknown; \(hint)"
    }

    static func text(of steps: [TemplateExpression.Step]) -> String {
        steps.enumerated().reduce(into: "") { text, step in
            switch step.element {
            case .element(let index): text += "[\(index)]"
            case .member(let name):
                let isPlain = name.unicodeScalars.allSatisfy(TemplateParser.isNamePart) && !name.isEmpty
                text += isPlain ? (step.offset == 0 ? name : ".\(name)") : "['\(name)']"
            }
        }
    }
}

/// What templates are filled in from.
public struct TemplateScope: Sendable {
    /// The attempt whose names, dates and params are meant.
    public var facts: AttemptFacts
    /// The variables and connections.
    package var values = TemplateValues()
    /// The template that is filled in, as it was written.
    var template = ""

    /// The scope of one attempt.
    public init(_ facts: AttemptFacts) {
        self.facts = facts
    }

    /// The value of a known name; nil where it is a param that the run does not have.
    func value(of steps: [TemplateExpression.Step]) -> JSONValue? {
        guard case .member(let first)? = steps.first else { return nil }
        if first == "params" { return Self.descend(facts.params, steps.dropFirst()) }
        if TemplateReference.isReference(steps) { return values.value(of: steps) }
        if first == "element" { return element().flatMap { Self.descend($0, steps.dropFirst()) } }
        if first == "triggering_asset_events" { return Self.descend(assetEvents(), steps.dropFirst()) }
        guard steps.count > 1, case .member(let second) = steps[1] else { return plain(first) }
        switch (first, second) {
        case ("dag_run", "conf"): return Self.descend(facts.params, steps.dropFirst(2))
        case (_, "dag_id"): return .string(facts.dagID)
        case (_, "task_id"): return .string(facts.taskID)
        case (_, "run_type"): return .string(facts.runType.rawValue)
        case ("dag", _): return dag(second).flatMap { Self.descend($0, steps.dropFirst(2)) }
        case ("dag_run", _): return plain(second)
        default: return plain(second) ?? task(second)
        }
    }

    private func dag(_ member: String) -> JSONValue? {
        guard let dag = facts.dag?.definition else { return nil }
        return member == "tags" ? .array(dag.tags.map { .string($0) }) : .string(dag.description)
    }

    private func task(_ member: String) -> JSONValue? {
        guard let task = facts.dag?.definition.tasks.first(where: { $0.taskID == facts.taskID }) else { return nil }
        return switch member {
        case "operator": .string(task.kindName)
        case "task_group": .string(task.group)
        case "pool": .string(task.pool)
        case "pool_slots": .integer(Int64(task.poolSlots))
        case "queue": .string(task.queue)
        case "priority_weight": .integer(Int64(task.priority))
        case "retries": .integer(Int64(task.retries))
        case "trigger_rule": .string(task.triggerRule.rawValue)
        default: nil
        }
    }

    /// The updates of assets that have started the run, by asset.
    private func assetEvents() -> JSONValue {
        let events: [JSONValue] =
            if case .array(let gathered)? = facts.params[InboxEvent.gatheredParam] {
                gathered
            } else {
                [facts.params[InboxEvent.startingParam] ?? .null]
            }
        var assets: [String: [JSONValue]] = [:]
        for event in events where event["name"] == .string(Asset.eventName) {
            if case .string(let asset)? = event["key"] { assets[asset, default: []].append(event) }
        }
        return .object(assets.mapValues { .array($0) })
    }

    private func element() -> JSONValue? {
        // What the engine stored is JSON.
        facts.mapElement.flatMap { try? JSONValue(parsingEnvelope: $0) }  // because the name is said not to resolve
    }

    private func plain(_ name: String) -> JSONValue? {
        switch name {
        case "ds": .string(facts.logicalDate.dateText)
        case "ds_nodash": .string(facts.logicalDate.dateTextWithoutDashes)
        case "ts", "logical_date": .string(facts.logicalDate.description)
        case "ts_nodash": .string(facts.logicalDate.textWithoutDashes)
        case "ts_nodash_with_tz": .string(facts.logicalDate.textWithoutDashes + "+0000")
        case "data_interval_start": .string(facts.dataIntervalStart.description)
        case "data_interval_end": .string(facts.dataIntervalEnd.description)
        case "run_id": .string(facts.runID)
        case "try_number": .integer(Int64(facts.tryNumber))
        case "map_index": .integer(Int64(facts.mapIndex))
        case "task_instance_key_str":
            .string("\(facts.dagID)__\(facts.taskID)__\(facts.logicalDate.dateTextWithoutDashes)")
        case "test_mode": .bool(facts.dag?.definition.isTest ?? false)
        default: nil
        }
    }

    static func descend(_ value: JSONValue, _ steps: ArraySlice<TemplateExpression.Step>) -> JSONValue? {
        var current = value
        for step in steps {
            switch (step, current) {
            case (.member(let name), .object(let members)):
                guard let member = members[name] else { return nil }
                current = member
            case (.element(let index), .array(let elements)):
                let place = index < 0 ? elements.count + index : index
                guard elements.indices.contains(place) else { return nil }
                current = elements[place]
            default:
                return nil
            }
        }
        return current
    }
}
