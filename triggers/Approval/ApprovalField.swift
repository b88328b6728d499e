// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// One field of the form that a person answers an approval with.
public struct ApprovalField: Codable, Hashable, Sendable {
    /// What a field takes.
    public enum Kind: String, Codable, Hashable, Sendable {
        /// Any text.
        case string
        /// A whole number.
        case int
        /// A number.
        case number
        /// `true` or `false`.
        case bool
        /// One of the field's choices.
        case choice
    }

    /// The name under which the value is given and read.
    public var name: String
    public var kind: Kind
    /// What people see; nil: the name.
    public var label: String?
    /// Whether an approval needs a value. A field with a default always has one.
    public var isRequired: Bool
    /// The value where none is given.
    public var defaultValue: JSONValue?
    /// The texts that a choice may be.
    public var choices: [String]?

    /// A field from its parts.
    public init(
        name: String, kind: Kind, label: String? = nil, isRequired: Bool = true, defaultValue: JSONValue? = nil,
        choices: [String]? = nil
    ) {
        self.name = name
        self.kind = kind
        self.label = label
        self.isRequired = isRequired
        self.defaultValue = defaultValue
        self.choices = choices
    }

    /// A text.
    public static func string(
        _ name: String, label: String? = nil, required: Bool = true, default value: String? = nil
    ) -> ApprovalField {
        ApprovalField(
            name: name, kind: .string, label: label, isRequired: required,
            defaultValue: value.map { .string($0) })
    }

    /// A whole number.
    public static func int(
        _ name: String, label: String? = nil, required: Bool = true, default value: Int? = nil
    ) -> ApprovalField {
        ApprovalField(
            name: name, kind: .int, label: label, isRequired: required,
            defaultValue: value.map { .integer(Int64($0)) })
    }

    /// A number.
    public static func number(
        _ name: String, label: String? = nil, required: Bool = true, default value: Double? = nil
    ) -> ApprovalField {
        ApprovalField(
            name: name, kind: .number, label: label, isRequired: required, defaultValue: value.map { .number($0) })
    }

    /// True or false.
    public static func bool(
        _ name: String, label: String? = nil, required: Bool = true, default value: Bool? = nil
    ) -> ApprovalField {
        ApprovalField(
            name: name, kind: .bool, label: label, isRequired: required, defaultValue: value.map { .bool($0) })
    }

    /// One of some texts.
    public static func choice(
        _ name: String, _ choices: [String], label: String? = nil, required: Bool = true, default value: String? = nil
    ) -> ApprovalField {
        ApprovalField(
            name: name, kind: .choice, label: label, isRequired: required, defaultValue: value.map { .string($0) },
            choices: choices)
    }

    enum CodingKeys: String, CodingKey {
        case name, label, choices
        case kind = "type"
        case isRequired = "required"
        case defaultValue = "default"
    }
}

extension ApprovalField {
    /// What is wrong with the field, in sentences. What holds templates is not looked at yet.
    var problems: [String] {
        var problems: [String] = []
        if name.isEmpty { problems.append("a field of an approval has a name") }
        if name.contains("=") || name.contains(where: \.isWhitespace) {
            problems.append("the field '\(name.shown())' of an approval: a name holds no '=' and no spaces")
        }
        if kind == .choice, choices?.isEmpty ?? true {
            problems.append("the field '\(name.shown())' of an approval is a choice of nothing")
        }
        if kind != .choice, choices != nil {
            problems.append("the field '\(name.shown())' of an approval has choices, but its type is \(kind.rawValue)")
        }
        let texts =
            [defaultValue].compactMap { if case .string(let text)? = $0 { text } else { nil } } + (choices ?? [])
        if let defaultValue, !texts.contains(where: { $0.contains("{{") }) {
            do {
                _ = try checked(defaultValue)
            } catch {
                problems.append("the default of an approval's field: \(error.message)")
            }
        }
        return problems
    }

    /// What the field takes, in words.
    package var wanted: String {
        switch kind {
        case .string: "a text"
        case .int: "a whole number"
        case .number: "a number"
        case .bool: "true or false"
        case .choice: "one of " + (choices ?? []).map { $0.shown(40) }.joined(separator: ", ")
        }
    }

    /// The value where the field takes it.
    /// - Throws: `invalid` that names the field.
    func checked(_ value: JSONValue) throws(PerchError) -> JSONValue {
        switch (kind, value) {
        case (.string, .string), (.int, .integer), (.number, .integer), (.number, .number), (.bool, .bool): return value
        case (.choice, .string(let text)) where choices?.contains(text) == true: return value
        default: throw fault(value.text)
        }
    }

    /// The value that a person typed.
    /// - Throws: `invalid` that names the field.
    package func parsed(_ text: String) throws(PerchError) -> JSONValue {
        switch kind {
        case .string: return .string(text)
        case .choice: if choices?.contains(text) == true { return .string(text) }
        case .int: if let number = Int64(text) { return .integer(number) }
        case .number:
            if let number = Int64(text) { return .integer(number) }
            if let number = Double(text), number.isFinite { return .number(number) }
        case .bool:
            switch text {
            case "true", "yes": return .bool(true)
            case "false", "no": return .bool(false)
            default: break
            }
        }
        throw fault("'\(text)'")
    }

    private func fault(_ found: String) -> PerchError {
        PerchError(.invalid, "the field '\(name)' is \(wanted), not \(found.shown())")
    }
}
