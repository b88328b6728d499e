// SPDX-License-Identifier: Apache-2.0

/// A value with a JSON form of its own: what bundles in any language describe, and what the metastore keeps.
///
/// Written by hand instead of through `Codable`, or beside it: a DAG may have a million tasks, an event is to be with its task
/// in less than a millisecond, and fields that hold their default are left out.
public protocol JSONConvertible {
    /// The JSON form.
    var json: JSONValue { get }
    /// Reads the JSON form.
    /// - Throws: `PerchError` (`invalid`) that names the field.
    init(json: JSONValue) throws(PerchError)
}

extension JSONConvertible {
    /// The JSON form as text, keys sorted: equal values have equal texts.
    public var text: String { json.text }

    /// Reads the JSON form from text.
    public init(parsing text: String) throws {
        try self.init(json: JSONValue(parsing: text))
    }
}

/// The members of one JSON object, read by name; errors say which field is wrong and what it should be.
package struct JSONFields {
    let owner: String
    let members: [String: JSONValue]

    package init(_ json: JSONValue, of owner: String) throws(PerchError) {
        guard case .object(let members) = json else {
            throw PerchError(.invalid, "\(owner) is a JSON object, not \(json.text.shown())")
        }
        self.owner = owner
        self.members = members
    }

    package func fault(_ name: String, _ wanted: String) -> PerchError {
        let found = members[name].map { "\($0.text.shown())" } ?? "nothing"
        return PerchError(.invalid, "\(owner): '\(name)' should be \(wanted), found \(found)")
    }

    package func string(_ name: String) throws(PerchError) -> String {
        guard case .string(let text) = members[name] else { throw fault(name, "a string") }
        return text
    }

    func string(_ name: String, default value: String) throws(PerchError) -> String {
        members[name] == nil ? value : try string(name)
    }

    package func integer(_ name: String) throws(PerchError) -> Int64 {
        guard case .integer(let number) = members[name] else { throw fault(name, "a whole number") }
        return number
    }

    /// Nil where it is missing, or null.
    package func optionalString(_ name: String) throws(PerchError) -> String? {
        try value(name) == nil ? nil : string(name)
    }

    /// Nil where it is missing, or null.
    package func value(_ name: String) -> JSONValue? {
        members[name].flatMap { $0 == .null ? nil : $0 }
    }

    func optionalInteger(_ name: String) throws(PerchError) -> Int64? {
        members[name] == nil ? nil : try integer(name)
    }

    func int(_ name: String, default value: Int) throws(PerchError) -> Int {
        members[name] == nil ? value : Int(try integer(name))
    }

    func bool(_ name: String, default value: Bool) throws(PerchError) -> Bool {
        guard let json = members[name] else { return value }
        guard case .bool(let flag) = json else { throw fault(name, "true or false") }
        return flag
    }

    func span(_ name: String, default value: TimeSpan) throws(PerchError) -> TimeSpan {
        try optionalSpan(name) ?? value
    }

    func optionalSpan(_ name: String) throws(PerchError) -> TimeSpan? {
        guard let microseconds = try optionalInteger(name) else { return nil }
        return TimeSpan(microseconds: microseconds)
    }

    func optionalTime(_ name: String) throws(PerchError) -> Timestamp? {
        guard let microseconds = try optionalInteger(name) else { return nil }
        return Timestamp(microseconds: microseconds)
    }

    func array(_ name: String) throws(PerchError) -> [JSONValue] {
        guard let json = members[name] else { return [] }
        guard case .array(let elements) = json else { throw fault(name, "an array") }
        return elements
    }

    func ints(_ name: String) throws(PerchError) -> [Int] {
        var found: [Int] = []
        for element in try array(name) {
            guard case .integer(let number) = element else { throw fault(name, "an array of whole numbers") }
            found.append(Int(number))
        }
        return found
    }

    func strings(_ name: String) throws(PerchError) -> [String] {
        var found: [String] = []
        for element in try array(name) {
            guard case .string(let text) = element else { throw fault(name, "an array of texts") }
            found.append(text)
        }
        return found
    }
}
