// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// What a value may be: of a parameter, a body or an answer. The server checks by it what it is sent, and tells it to others in
/// the OpenAPI document.
indirect enum Schema: Sendable, Hashable {
    case text
    /// A text of a form, which whoever takes it checks.
    case formed(TextForm)
    /// An instant as RFC 3339 has it.
    case instant
    /// A length of time: `1h30m`.
    case span
    /// One that is not zero.
    case positiveSpan
    case integer(ClosedRange<Int64>)
    case number
    case flag
    case choice([String])
    /// Some of these, with commas between where it is a parameter.
    case choices([String])
    /// Any JSON at all.
    case any
    /// An object with members of any name.
    case map
    case list(Schema, most: Int)
    case object([Field])
    /// Or null.
    case optional(Schema)
    /// One that several places speak of.
    case named(String, Schema)
    /// An object with a name, or those of its members that `fields` names.
    case selection(Schema)

    /// A member of an object.
    struct Field: Sendable, Hashable {
        var name: String
        var schema: Schema
        /// What it means, in a sentence or less.
        var about: String
        var isRequired = true
    }

    static let count = Schema.integer(0...Int64.max)

    /// The members of an object; empty for everything else.
    var fields: [Field] {
        switch self {
        case .object(let fields): fields
        case .named(_, let schema), .optional(let schema), .selection(let schema): schema.fields
        default: []
        }
    }

    /// What it is, behind "is to be".
    var words: String {
        switch self {
        case .text, .formed: "a text"
        case .instant: "an instant such as 2026-01-01T00:00:00Z"
        case .span: "a length of time such as 30m or 1h30m"
        case .positiveSpan: "a length of time such as 30m or 1h30m, above zero"
        case .integer(let range) where range.upperBound == .max && range.lowerBound == .min: "a whole number"
        case .integer(let range) where range.upperBound == .max: "a whole number from \(range.lowerBound)"
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .number: "a number"
        case .flag: "true or false"
        case .choice(let names): names.count == 1 ? "'\(names[0])'" : "one of \(names.joined(separator: ", "))"
        case .choices(let names): "some of \(names.joined(separator: ", "))"
        case .any: "any JSON"
        case .map, .object: "an object"
        case .list(_, let most): most == .max ? "a list" : "a list of at most \(most)"
        case .optional(let schema): "\(schema.words), or null"
        case .named(_, let schema), .selection(let schema): schema.words
        }
    }
}
