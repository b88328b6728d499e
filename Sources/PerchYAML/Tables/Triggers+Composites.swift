// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK
internal import PerchTriggersComposite

extension Triggers {
    /// A wait: a mapping with one key, its kind.
    static let shape: ObjectShape = {
        let fields = single.map { Field($0.name, .object($0.shape), $0.summary, others: $0.others) } + composites
        return ObjectShape(name: "a wait", fields: fields, rules: [.exactlyOne(fields.map(\.name))])
    }()

    private static let composites: [Field] = [
        Field("any", .list(.named("trigger")), "one of these waits, whichever comes first"),
        Field("all", .list(.named("trigger")), "all of these waits, in any order"),
        Field("at_least", .object(counted), "so many of some waits"),
        Field("not", .object(absent), "that something does not come within a time"),
    ]

    private static let counted = ObjectShape(
        name: "a count of waits",
        fields: [
            Field("count", .integer(1...64), "how many have to come", required: true),
            Field("of", .list(.named("trigger")), "the waits", required: true),
        ])

    private static let absent = ObjectShape(
        name: "a wait for what does not come",
        fields: [
            Field("wait", .named("trigger"), "what is not to come", required: true, others: ["trigger"]),
            Field("within", .span(.positive), "how long it has to stay away", required: true),
        ])

    /// The trigger of a value that has the shape of a wait. What is wrong with it is reported at its place.
    static func trigger(_ value: YAMLValue, _ problems: inout [YAMLProblem]) -> (any Trigger)? {
        guard let member = value.members.first else { return nil }
        let (count, inner) = (problems.count, member.value)
        let trigger: (any Trigger)?
        switch member.name {
        case "any": trigger = composite(atLeast: 1, inner.elements, &problems)
        case "all": trigger = composite(atLeast: nil, inner.elements, &problems)
        case "at_least":
            trigger = composite(atLeast: inner["count"]?.integer, inner["of"]?.elements ?? [], &problems)
        case "not":
            let absent = inner["wait"].flatMap { self.trigger($0, &problems) }
            let span = inner["within"]?.span ?? .seconds(0)
            trigger = absent.map { Self.composite(none: $0, within: span) }
        default: trigger = single(member, &problems)
        }
        // What is wrong with a member was said at its own place.
        guard let trigger, problems.count == count else { return nil }
        let names = single.first { $0.name == member.name }?.shape.fields.map(\.name) ?? []
        for problem in trigger.everyProblem {
            problems.append(YAMLProblem(place: inner.place, message: "\(member.name): \(written(problem, names))"))
        }
        return problems.count == count ? trigger : nil
    }

    private static func single(_ member: YAMLValue.Member, _ problems: inout [YAMLProblem]) -> (any Trigger)? {
        guard let entry = single.first(where: { $0.name == member.name }) else { return nil }
        do {
            return try entry.make(member.value)
        } catch let problem as YAMLProblem {
            problems.append(YAMLProblem(place: problem.place, message: "\(member.name): \(problem.message)"))
        } catch {
            problems.append(YAMLProblem(place: member.value.place, message: "\(member.name): \("\(error)".shown(400))"))
        }
        return nil
    }

    private static func composite(
        atLeast count: Int?, _ members: [YAMLValue], _ problems: inout [YAMLProblem]
    ) -> (any Trigger)? {
        var triggers: [any Trigger] = []
        for member in members { if let trigger = trigger(member, &problems) { triggers.append(trigger) } }
        return triggers.count == members.count ? CompositeTrigger(atLeast: count, of: triggers) : nil
    }

    private static func composite(none member: some Trigger, within span: TimeSpan) -> any Trigger {
        CompositeTrigger(none: member, within: span)
    }

    /// A sentence with the keys of files in place of the names of Swift: `stable_for` for `stableFor`.
    static func written(_ sentence: String, _ names: [String]) -> String {
        var text = sentence
        for name in names where name.contains("_") {
            let words = name.split(separator: "_")
            let camel = words.dropFirst().reduce(String(words[0])) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
            text = text.replacing(camel, with: name)
        }
        return text
    }
}
