// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Waits until a person has answered a question, with a form where that has fields.
public struct ApprovalTrigger: Trigger {
    public typealias Event = ApprovalAnswer
    public static let kind = "approval"

    /// What people are asked. May hold templates.
    public var question: String
    public var fields: [ApprovalField]

    /// A question to people.
    public init(question: String, fields: [ApprovalField] = []) {
        self.question = question
        self.fields = fields
    }

    public var target: String { question }

    public var problems: [String] {
        var problems: [String] = []
        if !question.contains(where: { !$0.isWhitespace }) { problems.append("an approval asks a question") }
        var names: Set<String> = []
        for field in fields {
            problems += field.problems
            if !names.insert(field.name).inserted {
                problems.append("the field '\(field.name.shown())' stands twice in an approval")
            }
        }
        return problems
    }
}

extension Trigger where Self == ApprovalTrigger {
    /// Waits until a person has answered: `approvals answer ID --approve --set percent=20`.
    ///
    /// A task receives the answer, whatever it is. A sensor succeeds where it is a yes; where it is a no the sensor fails, and
    /// is not tried again.
    ///
    /// - Parameters:
    ///   - question: What people are asked.
    ///   - fields: The form: `.choice("region", ["eu", "us"])`, `.int("percent", default: 10)`, ….
    public static func approval(_ question: String, fields: [ApprovalField] = []) -> ApprovalTrigger {
        ApprovalTrigger(question: question, fields: fields)
    }
}

extension ApprovalTrigger {
    /// A person's answer, held against the form: before anything is stored.
    ///
    /// A yes has every field that is required or has a default; a no only what was given.
    /// - Throws: `PerchError` (`invalid`) that names the field.
    package func answer(
        _ decision: ApprovalAnswer.Decision, typed: [(field: String, text: String)], by: String, note: String?,
        at instant: Timestamp
    ) throws(PerchError) -> ApprovalAnswer {
        var values: [String: JSONValue] = [:]
        for (name, text) in typed {
            let field = try field(name)
            guard values[name] == nil else { throw PerchError(.invalid, "the field '\(name.shown())' is given twice") }
            values[name] = try field.parsed(text)
        }
        return try answer(decision, values: values, by: by, note: note, at: instant)
    }

    /// The same of values that have their types already.
    package func answer(
        _ decision: ApprovalAnswer.Decision, values given: [String: JSONValue], by: String, note: String?,
        at instant: Timestamp
    ) throws(PerchError) -> ApprovalAnswer {
        var values = given
        for (name, value) in given.sorted(by: { $0.key < $1.key }) { _ = try field(name).checked(value) }
        if decision == .approve {
            for field in fields where values[field.name] == nil {
                if let value = field.defaultValue {
                    values[field.name] = try field.checked(value)
                } else if field.isRequired {
                    throw PerchError(.invalid, "the field '\(field.name)' is missing: it is \(field.wanted)")
                }
            }
        }
        return ApprovalAnswer(decision: decision, values: values, by: by, note: note, answeredAt: instant)
    }

    private func field(_ name: String) throws(PerchError) -> ApprovalField {
        if let field = fields.first(where: { $0.name == name }) { return field }
        let names = fields.map(\.name).joined(separator: ", ")
        throw PerchError(
            .invalid,
            "there is no field '\(name.shown())'; " + (fields.isEmpty ? "the form has none" : "there are \(names)"))
    }
}
